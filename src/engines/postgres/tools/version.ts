// What version a program says it is. Asked once per program and process.
import { stat } from "node:fs/promises";
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";

export interface ProgramVersion {
  /** As `15.20` or `19beta1`. */
  readonly version: string;
  readonly major: number;
}

const VERSION_TIMEOUT_MS = 10_000;
const known = new Map<string, Promise<ProgramVersion | undefined>>();

/**
 * Undefined when there is no such program, when it does not run, or when it is not one of PostgreSQL's.
 * A program that is replaced while we run is asked again.
 */
export async function versionOf(path: string, signal?: AbortSignal): Promise<ProgramVersion | undefined> {
  const facts = await stat(path).catch(() => undefined);
  if (!facts?.isFile()) return undefined;
  const key = `${path}\0${facts.ino}\0${facts.mtimeMs}`;
  // A thousand sources that are looked at together start each program once, not a thousand times.
  const asked = known.get(key) ?? ask(path);
  known.set(key, asked);
  return orAborted(asked, signal);
}

/** The answer serves every caller, so one that is cancelled only stops waiting for it. */
export async function orAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return answer;
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([answer, promise]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function ask(path: string): Promise<ProgramVersion | undefined> {
  try {
    const { status, stdout } = await runProgram(path, ["--version"], { env: baseEnvironment(), timeoutMs: VERSION_TIMEOUT_MS });
    return status === 0 ? readVersion(stdout) : undefined;
  } catch {
    // Not to be started, or silent past its deadline: no program that a backup could rely on.
    return undefined;
  }
}

/** Reads `pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`. Versions before 10 have a major of two numbers and are far too old: 9. */
export function readVersion(line: string): ProgramVersion | undefined {
  const version = /\(PostgreSQL\) (\d+(?:\.\d+)*(?:devel|(?:beta|rc)\d+)?)/.exec(line)?.[1];
  return version === undefined ? undefined : { version, major: Number.parseInt(version, 10) };
}
