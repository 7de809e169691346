// Ends and removes what is left of a cluster after a crash, from nothing but its locator.
import { rm, rmdir } from "node:fs/promises";
import { hostname } from "node:os";
import { basename } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { Undone } from "../../../ports/resource.ts";
import { commandOf, endProcess, IN_PEACE, isAlive, markProcess, type ProcessMark } from "../../../process/marks.ts";
import { type ClusterNote, isOwnDirectory, layoutOf, readNote, removeNoted } from "./layout.ts";
import { postmasterFile } from "./postmaster-file.ts";

export interface ClusterLocator {
  readonly directory: string;
  readonly jobId: string;
  readonly host: string;
  /** What its note must hold. */
  readonly proof?: string | undefined;
}

/**
 * Removes the cluster. Data outside the directory is left there, without a server over it.
 * Touches only a directory whose note names this very job and holds its proof, and only processes that are proven to be its own.
 * Throws SCRATCH_FAILED for every other directory, or when something cannot be removed.
 */
export async function undoCluster(locator: ClusterLocator): Promise<Undone> {
  const { directory, jobId } = locator;
  if (locator.host !== hostname()) return "elsewhere";
  const layout = layoutOf(directory);
  const own = await isOwnDirectory(directory);
  if (own === undefined) return "absent";
  if (!own) throw new LifeboatError("SCRATCH_FAILED", `${directory} is not a directory of this user; it is left as it is`);
  const note = await readNote(directory);
  if (note === undefined) return await removeUnborn(directory, basename(directory).includes(jobId));
  assertNoteOf(note, locator);
  await endProcessesOf(note, note.data ?? layout.data);
  await rm(layout.socket, { recursive: true, force: true, maxRetries: 5 });
  await removeNoted(directory);
  return "removed";
}

/** SCRATCH_FAILED unless the note is that of the job, and only the job can have written it. */
export function assertNoteOf(note: ClusterNote, { directory, jobId, proof }: Omit<ClusterLocator, "host">): void {
  if (note.jobId === jobId && note.proof === proof) return;
  const why = note.jobId === jobId ? "its note does not hold the proof of that job" : `it belongs to job ${note.jobId}`;
  throw new LifeboatError("SCRATCH_FAILED", `${directory} is not what job ${jobId} made (${why}); it is left as it is`);
}

/** Ends supervisor and server of a cluster, whose note this is. */
export async function endProcessesOf(note: ClusterNote, data: string): Promise<void> {
  if (note.supervisor && (await isAlive(note.supervisor))) {
    // Its cluster must not be pulled from under it, and it must not continue to build in a directory that is being removed.
    await endProcess(note.supervisor, [["SIGKILL", 5_000]]);
  }
  await endServerOf(data, note.cell);
}

/** A crash between making the directory and writing its note leaves it empty: of a name that a job gives, it goes. */
export async function removeUnborn(directory: string, hasOurName: boolean): Promise<Undone> {
  if (!hasOurName || !(await isOwnDirectory(directory))) {
    throw new LifeboatError("SCRATCH_FAILED", `${directory} holds no cluster of this program; it is left as it is`);
  }
  await rm(`${layoutOf(directory).note}.new`, { force: true });
  await rmdir(directory).catch((cause) => {
    throw new LifeboatError("SCRATCH_FAILED", `${directory} holds files that are not ours; it is left as it is`, { cause });
  });
  return "removed";
}

/** Ends an orphaned server; `inPeace` lets it write its memory to disk. */
export async function endServerOf(data: string, cell?: ProcessMark, inPeace = false): Promise<void> {
  const mark = cell ?? (await serverOver(data));
  if (mark === undefined) return;
  const ended = await endProcess(mark, inPeace ? IN_PEACE : IN_PEACE.slice(1));
  if (!ended) throw new LifeboatError("SCRATCH_FAILED", `the server ${mark.pid} of ${data} cannot be ended`);
}

/** Without a cell, a server says its number itself; a server that we started has its data directory in its arguments: no other process does. */
async function serverOver(data: string): Promise<ProcessMark | undefined> {
  const pid = Number((await postmasterFile(data))[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  const mark = await markProcess(pid);
  return mark !== undefined && (await commandOf(pid)).includes(`-D ${data} `) ? mark : undefined;
}
