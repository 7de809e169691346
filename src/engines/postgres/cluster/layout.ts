// Where a cluster of ours keeps its files, and the note that lets a later process find and end what a crash left.
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";

/** The note in a cluster's directory, written before anything else is there. */
export interface ClusterNote {
  readonly lifeboat: "cluster";
  readonly jobId: string;
  readonly host: string;
  /** The process that ends the cluster when its starter dies; absent until it runs. */
  readonly supervisor?: ProcessMark | undefined;
}

/** A process, and the time it was started: a later process with the same number is not it. */
export interface ProcessMark {
  readonly pid: number;
  readonly startedAt: string;
}

export const PORT = 5432;
export const SUPERUSER = "postgres";

/** A socket's path may have 107 bytes on Linux and 103 on macOS; `.s.PGSQL.5432` and its lock file need 19 of them. */
const LONGEST_SOCKET_DIRECTORY = 103 - 19;

/**
 * `data/` belongs to the server's user; the directory itself and the note to ours, so that nobody else can change what a
 * clean-up trusts. The socket lies beside the data, or under /tmp where that path would be too long for a socket.
 */
export function layoutOf(directory: string): { note: string; data: string; socket: string; log: string; password: string } {
  const beside = join(directory, "s");
  const digest = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return {
    note: join(directory, "lifeboat.json"),
    data: join(directory, "data"),
    socket: Buffer.byteLength(beside) <= LONGEST_SOCKET_DIRECTORY ? beside : `/tmp/lifeboat-${digest}`,
    log: join(directory, "server.log"),
    password: join(directory, "password"),
  };
}

/** Replaces the note in one act: a crash leaves the old one or the new one. */
export async function writeNote(directory: string, note: ClusterNote): Promise<void> {
  const { note: path } = layoutOf(directory);
  await writeFile(`${path}.new`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The note, or undefined when the directory has none. Throws SCRATCH_FAILED when what lies there is no note of ours. */
export async function readNote(directory: string): Promise<ClusterNote | undefined> {
  const { note: path } = layoutOf(directory);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new LifeboatError("SCRATCH_FAILED", `${path} cannot be read`, { cause });
  }
  try {
    const note = JSON.parse(text) as ClusterNote;
    if (note.lifeboat === "cluster" && typeof note.jobId === "string" && typeof note.host === "string") return note;
  } catch {
    // Said below, the same for text that is no JSON and for JSON that is no note.
  }
  throw new LifeboatError("SCRATCH_FAILED", `${path} is not the note of a cluster that Lifeboat made; the directory is left as it is`);
}
