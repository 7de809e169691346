// What is left to do with a restored data directory: how its server is started, and what to see to before.
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";
import type { RecoveryPlace } from "./place.ts";

const START_TIMEOUT_MS = 120_000;

/** Sentences and commands. A server that is to be started needs its configuration in the directory. TOOL_FAILED when it does not start. */
export async function nextSteps(
  place: Pick<RecoveryPlace, "directory" | "owner">,
  bin: string,
  options: { readonly start: boolean },
): Promise<readonly string[]> {
  const { directory, owner } = place;
  // Inside: the directory's owner may not write beside it.
  const log = join(directory, "server.log");
  const args = ["-D", directory, "-l", log, "-w"];
  const shown = [join(bin, "pg_ctl"), ...args, "start"].map((word) =>
    /^[\w./=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`,
  );
  const command = `${owner === undefined ? "" : `setpriv --reuid ${owner.uid} --regid ${owner.gid} --clear-groups `}${shown.join(" ")}`;
  const missing: string[] = [];
  for (const name of ["postgresql.conf", "pg_hba.conf"]) {
    await access(join(directory, name)).catch(() => missing.push(name));
  }
  const archiving =
    "it archives nothing: give it an archive of its own, or a source of its own here, then run `alter system reset archive_mode` and restart it";
  if (missing.length > 0) {
    const note = `${directory} has no ${missing.join(" and no ")}: its server kept ${missing.length > 1 ? "them" : "it"} elsewhere; put yours there first`;
    return [...(options.start ? [`the server was not started: ${note}`] : [note]), `start it with: ${command}`, archiving];
  }
  if (!options.start) return [`start it with: ${command}`, archiving];
  // A collector would write into the folder that the source's configuration names: on the source's machine, among the source's own logs.
  const { status, end } = await runProgram(join(bin, "pg_ctl"), [...args, "-o", "-c logging_collector=off", "start"], {
    ...(owner ?? {}),
    cwd: directory,
    env: baseEnvironment(),
    timeoutMs: START_TIMEOUT_MS,
  });
  if (status !== 0) {
    throw new LifeboatError("TOOL_FAILED", `${directory} is restored, but its server does not start: ${(await reasonIn(log)) ?? end}`, {
      hint: `read ${log}, then start it with: ${command}`,
    });
  }
  return [`the server runs; stop it with: ${command.replace(/start$/, "stop")}`, archiving];
}

const MAX_REASON = 3;

/** What the server said of why it did not start. */
async function reasonIn(log: string): Promise<string | undefined> {
  const text = await readFile(log, "utf8").catch(() => "");
  const said = text
    .split("\n")
    .flatMap((line) => /(?:FATAL|PANIC|ERROR): .*|LOG: +(?:could not|invalid value|unrecognized) .*/.exec(line)?.[0] ?? []);
  return said.length === 0 ? undefined : said.slice(-MAX_REASON).join("; ");
}
