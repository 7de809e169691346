// PostgreSQL refuses to run as root. Started by root, the server runs as an ordinary user; else as ourselves.
import { chmod, mkdir } from "node:fs/promises";
import { LifeboatError } from "../core/errors.ts";
import { baseEnvironment } from "./environment.ts";
import { runProgram } from "./run.ts";

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Users that exist to run a database, or to own nothing. */
const CANDIDATES = ["postgres", "_postgres", "nobody"];

/** Undefined when we are an ordinary user already: then the server runs as we do. `name` overrides the choice. */
export async function serverUser(name?: string): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const candidate of name === undefined ? CANDIDATES : [name]) {
    const ask = async (flag: string): Promise<number> => {
      const { status, stdout } = await runProgram("id", [flag, candidate], { env: baseEnvironment(), timeoutMs: 5_000 });
      return status === 0 ? Number(stdout.trim()) : Number.NaN;
    };
    const [uid, gid] = [await ask("-u"), await ask("-g")];
    if (uid > 0 && gid >= 0) return { uid, gid };
  }
  throw new LifeboatError(
    "SCRATCH_FAILED",
    `a server cannot run as root, and there is no user ${name ?? CANDIDATES.join(" or ")} to run it as`,
  );
}

/** Makes a directory that another user may pass through, to reach its own part of it, but not look into. The mode holds under any umask. */
export async function makePassage(directory: string, forAnother: boolean): Promise<void> {
  const mode = forAnother ? 0o711 : 0o700;
  await mkdir(directory, { mode });
  await chmod(directory, mode);
}
