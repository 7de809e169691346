// Where a temporary cluster keeps its files, and the note that lets a later process find and end what a crash left.
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open, readdir, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { ProcessMark } from "../../../process/marks.ts";

/** The note in a cluster's directory, written before anything else is there. */
export interface ClusterNote {
  readonly lifeboat: "cluster";
  readonly jobId: string;
  readonly host: string;
  /** What only that job can have written here; absent: of a server that no journal knows. */
  readonly proof?: string | undefined;
  /** The process that ends the cluster when its starter dies; absent until it runs. */
  readonly supervisor?: ProcessMark | undefined;
  /** The first process of the server's cell, whose end is the end of all that runs in it; absent where there is no cell. */
  readonly cell?: ProcessMark | undefined;
  /** Where its data is, when that is not here: a clean-up ends the server over it, and leaves it where it is. */
  readonly data?: string | undefined;
  /** What else is removed with it when it is not finished, and nothing beyond. */
  readonly unfinished?: UnfinishedData | undefined;
}

/** Data outside of the directory with the note, for as long as it is not finished. */
export interface UnfinishedData {
  readonly tablespaces: string;
  /** The data directory was there before, and empty: it is emptied, and stays. */
  readonly existed: boolean;
  /** Device and inode of the data directory once it is there: another one in its place is not the job's. */
  readonly identity?: string | undefined;
}

export const PORT = 5432;
export const SUPERUSER = "postgres";

/** A socket's path may have 107 bytes on Linux and 103 on macOS; `.s.PGSQL.5432` and its lock file need 19 of them. */
const LONGEST_SOCKET_DIRECTORY = 103 - 19;

export interface Layout {
  readonly note: string;
  readonly data: string;
  readonly socket: string;
  readonly log: string;
  readonly password: string;
  /** The server's configuration files, where those in the data are not used. */
  readonly configuration: string;
  /** An empty directory that the root of the server's cell is built on. */
  readonly cell: string;
}

/**
 * `data/` belongs to the server's user; the directory itself and the note to ours, so that no other user can change what a
 * clean-up trusts. The socket is beside the data, or under /tmp where that path would be too long for a socket.
 */
export function layoutOf(directory: string): Layout {
  const beside = join(directory, "s");
  const digest = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return {
    note: join(directory, "lifeboat.json"),
    data: join(directory, "data"),
    socket: Buffer.byteLength(beside) <= LONGEST_SOCKET_DIRECTORY ? beside : `/tmp/lifeboat-${digest}`,
    log: join(directory, "server.log"),
    password: join(directory, "password"),
    configuration: join(directory, "conf"),
    cell: join(directory, "cell"),
  };
}

interface Noted extends Pick<ClusterNote, "jobId" | "host" | "proof" | "unfinished"> {
  readonly directory: string;
  readonly data: string;
}

/** The note of a cluster: of its data only when that lies elsewhere. */
export function noteOf({ directory, jobId, host, proof, data, unfinished }: Noted): ClusterNote {
  return { lifeboat: "cluster", jobId, host, proof, data: data === layoutOf(directory).data ? undefined : data, unfinished };
}

/** Replaces the note in one act: a crash leaves the old one or the new one. */
export async function writeNote(directory: string, note: ClusterNote): Promise<void> {
  const { note: path } = layoutOf(directory);
  await writeFile(`${path}.new`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** Changes the note that is there; SCRATCH_FAILED when there is none. */
export async function changeNote(directory: string, change: Partial<ClusterNote>): Promise<void> {
  const note = await readNote(directory);
  if (note === undefined) throw new LifeboatError("SCRATCH_FAILED", `${directory} has lost its note`);
  await writeNote(directory, { ...note, ...change });
}

/** Removes the directory with all that is in it. The note is removed last: until then, an interrupted clean-up can be resumed. */
export async function removeNoted(directory: string): Promise<void> {
  const { note } = layoutOf(directory);
  for (const name of await readdir(directory).catch(noEntry)) {
    const path = join(directory, name);
    if (path !== note) await rm(path, { recursive: true, force: true, maxRetries: 5 });
  }
  await rm(note, { force: true });
  await rmdir(directory).catch(noEntry);
}

function noEntry(error: NodeJS.ErrnoException): never[] {
  if (error.code === "ENOENT") return [];
  throw error;
}

/** Whether it is a directory of our own user's, and not a link to one. Undefined: nothing is there at all. */
export async function isOwnDirectory(path: string): Promise<boolean | undefined> {
  const facts = await lstat(path).catch(() => undefined);
  return facts === undefined ? undefined : facts.isDirectory() && facts.uid === process.geteuid?.();
}

/**
 * The note, or undefined when the directory has none. Throws SCRATCH_FAILED when the file there is not a note of this program: a note counts
 * only as a file of our own user's, in a directory of our own user's.
 */
export async function readNote(directory: string): Promise<ClusterNote | undefined> {
  const { note: path } = layoutOf(directory);
  let text: string;
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const facts = await file.stat();
      const own = facts.isFile() && facts.uid === process.geteuid?.() && (facts.mode & 0o022) === 0;
      text = own && (await isOwnDirectory(directory)) ? await file.readFile("utf8") : "";
    } finally {
      await file.close();
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new LifeboatError("SCRATCH_FAILED", `${path} cannot be read`, { cause });
  }
  try {
    const note = JSON.parse(text) as ClusterNote;
    if (note.lifeboat === "cluster" && typeof note.jobId === "string" && typeof note.host === "string") return note;
  } catch {
    // Said below, the same for text that is not JSON and for JSON that is not a note.
  }
  throw new LifeboatError("SCRATCH_FAILED", `${path} is not the note of a cluster that Lifeboat made; the directory is left as it is`);
}
