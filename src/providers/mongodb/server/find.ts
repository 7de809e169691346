// Finds MongoDB's server program on this machine, and asks it for its version.
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";

export interface Mongod {
  readonly path: string;
  readonly version: string;
}

/** Where installers put it beside the PATH: packages, archives unpacked by hand, Homebrew. */
const USUAL = ["/usr/bin", "/usr/local/bin", "/opt/mongodb/bin", "/opt/homebrew/bin"];
const VERSION_TIMEOUT_MS = 10_000;

/** Path of the first `mongod`; undefined when there is none. `configured`: these directories and no others. */
export function findMongod(configured: string | readonly string[] | undefined, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = configured === undefined ? [] : [configured].flat();
  const path = (env.PATH ?? "").split(delimiter).filter((directory) => directory.startsWith("/"));
  return (named.length > 0 ? named : [...path, ...USUAL]).map((directory) => join(directory, "mongod")).find(isExecutable);
}

/** TOOL_MISSING when there is none that runs; TOOL_TOO_OLD when it is older than the data. Both say what to do instead. */
export async function requireMongod(
  configured: string | readonly string[] | undefined,
  serverMajor: number,
  signal?: AbortSignal,
): Promise<Mongod> {
  const hint = `install MongoDB's server program of version ${serverMajor} or newer on this machine, or set scratch.url of the source to a server that drills may restore into`;
  const path = findMongod(configured);
  if (path === undefined) throw new LifeboatError("TOOL_MISSING", "there is no mongod on this machine to restore into", { hint });
  const asked = await runProgram(path, ["--version"], { env: baseEnvironment(), timeoutMs: VERSION_TIMEOUT_MS, signal });
  const version = asked.status === 0 ? /\bv(\d+(?:\.\d+)+)/.exec(asked.stdout)?.[1] : undefined;
  if (version === undefined) throw new LifeboatError("TOOL_MISSING", `${path} does not say its version: ${asked.end}`, { hint });
  if (Number.parseInt(version, 10) < serverMajor) {
    throw new LifeboatError("TOOL_TOO_OLD", `${path} is MongoDB ${version}, older than the data's ${serverMajor}`, { hint });
  }
  return { path, version };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
