// Runs programs of the user's own with the streams of this process.
import { readdir, readFile } from "node:fs/promises";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError } from "../core/errors.ts";
import type { ProgramEnd, ProgramOrder, Programs } from "../ports/programs.ts";
import { startChild } from "../process/child.ts";
import { baseEnvironment } from "../process/environment.ts";

const MARK = "LIFEBOAT_PROGRAM";
const NOT_STARTED: ProgramEnd = { status: 127, signal: null, late: false, tail: "" };
const MOST_TAIL = 4096;
/** How long what was told to end may take. */
const ENDING_MS = 5_000;

export const programs: Programs = {
  async run({ argv, timeoutMs, signal, ...order }) {
    const [program = "", ...args] = argv;
    const late = new AbortController();
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => late.abort(), timeoutMs);
    try {
      return await runOnce(program, args, order, late.signal, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (isLifeboatError(error, "TOOL_MISSING")) return { ...NOT_STARTED, tail: error.message };
      throw error;
    } finally {
      clearTimeout(timer);
    }
  },

  async endMarked(mark) {
    let found = await marked(mark);
    const count = found.length;
    for (const pid of found) end(pid, "SIGTERM");
    for (let waitedMs = 0; found.length > 0; waitedMs += 100) {
      await sleep(100);
      found = await marked(mark);
      if (waitedMs >= ENDING_MS) for (const pid of found) end(pid, "SIGKILL");
    }
    return count;
  },
};

async function runOnce(
  program: string,
  args: readonly string[],
  { env, inherit = "all", output, mark, secrets = [] }: Omit<ProgramOrder, "argv" | "timeoutMs" | "signal">,
  late: AbortSignal,
  signal: AbortSignal | undefined,
): Promise<ProgramEnd> {
  const isCaptured = output === "captured";
  let tail = "";
  const keep = (chunk: Uint8Array): void => {
    tail = (tail + Buffer.from(chunk).toString("utf8")).slice(-4 * MOST_TAIL);
  };
  const given = Object.entries({
    ...(inherit === "all" ? process.env : baseEnvironment()),
    ...env,
    ...(mark !== undefined && { [MARK]: mark }),
  });
  const child = await startChild(program, args, {
    env: Object.fromEntries(given.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))),
    stdin: isCaptured ? undefined : 0,
    stdout: isCaptured ? "pipe" : output === "stdout" ? 1 : 2,
    onStderr: isCaptured ? keep : (chunk) => void process.stderr.write(chunk),
    signal: signal === undefined ? late : AbortSignal.any([signal, late]),
  });
  try {
    for await (const chunk of child.stdout) keep(chunk);
  } catch (error) {
    signal?.throwIfAborted();
    if (!late.aborted) throw error;
  }
  const { status, signal: by } = await child.closed;
  signal?.throwIfAborted();
  // A launcher in between reports a program that is not there, or a signal, as a shell does.
  const number = status !== null && status > 128 ? status - 128 : undefined;
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  const clean = secrets.reduce((text, secret) => (secret.length < 4 ? text : text.replaceAll(secret, "***")), tail);
  return { status, signal: by ?? name ?? null, late: late.aborted, tail: clean.trim().slice(-MOST_TAIL) };
}

/** Processes that were started with the mark (Linux). */
async function marked(mark: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir("/proc").catch(() => [])) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const environment = await readFile(`/proc/${name}/environ`, "utf8").catch(() => "");
    if (environment.split("\0").includes(`${MARK}=${mark}`)) found.push(pid);
  }
  return found;
}

function end(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}
