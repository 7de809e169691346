// Where a cluster of ours keeps its files, and the note that lets a later process find and end what a crash left.
import { createHash } from "node:crypto";
import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { ProcessMark } from "../../../process/marks.ts";

/** The note in a cluster's directory, written before anything else is there. */
export interface ClusterNote {
  readonly lifeboat: "cluster";
  readonly jobId: string;
  readonly host: string;
  /** The process that ends the cluster when its starter dies; absent until it runs. */
  readonly supervisor?: ProcessMark | undefined;
  /** The first process of the server's cell, whose end is the end of all that runs in it; absent where there is no cell. */
  readonly cell?: ProcessMark | undefined;
  /** Where its data is, when that is not here: a clean-up ends the server over it, and leaves it where it is. */
  readonly data?: string | undefined;
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
 * `data/` belongs to the server's user; the directory itself and the note to ours, so that nobody else can change what a
 * clean-up trusts. The socket lies beside the data, or under /tmp where that path would be too long for a socket.
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

/** The note of a cluster: of its data only when that lies elsewhere. */
export function noteOf(
  { directory, jobId, host, data }: { readonly directory: string; readonly jobId: string; readonly host: string; readonly data: string },
  supervisor?: ProcessMark,
  cell?: ProcessMark,
): ClusterNote {
  return { lifeboat: "cluster", jobId, host, supervisor, cell, data: data === layoutOf(directory).data ? undefined : data };
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
