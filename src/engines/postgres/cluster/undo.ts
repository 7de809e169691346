// Ends and removes what is left of a cluster after a crash, from nothing but its locator.
import { lstat, rm, rmdir } from "node:fs/promises";
import { hostname } from "node:os";
import { basename } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { commandOf, endProcess, IN_PEACE, isAlive, markProcess, type ProcessMark } from "../../../process/marks.ts";
import { type ClusterNote, layoutOf, readNote } from "./layout.ts";
import { postmasterFile } from "./postmaster-file.ts";

export interface ClusterLocator {
  readonly directory: string;
  readonly jobId: string;
  readonly host: string;
}

/**
 * Returns whether the cluster is gone for certain: true also when there was nothing left, false when it belongs to another host.
 * Data that lies outside the directory is left there, without a server over it.
 * Touches only a directory whose note names this very job, and only processes that are proven to be its own.
 * Throws SCRATCH_FAILED when the directory is somebody else's, or something cannot be removed.
 */
export async function undoCluster(locator: ClusterLocator): Promise<boolean> {
  const { directory, jobId } = locator;
  if (locator.host !== hostname()) return false;
  const layout = layoutOf(directory);
  const facts = await lstat(directory).catch(() => undefined);
  if (facts === undefined) return true;
  if (!facts.isDirectory()) throw new LifeboatError("SCRATCH_FAILED", `${directory} is not a directory; it is left as it is`);
  const note = await readNote(directory);
  if (note === undefined) return await removeUnborn(directory, jobId);
  if (note.jobId !== jobId) {
    throw new LifeboatError("SCRATCH_FAILED", `${directory} belongs to job ${note.jobId}, not to ${jobId}; it is left as it is`);
  }
  await endProcessesOf(note, note.data ?? layout.data);
  await rm(layout.socket, { recursive: true, force: true, maxRetries: 5 });
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  return true;
}

/** Ends supervisor and server of a cluster, whose note this is. */
export async function endProcessesOf(note: ClusterNote, data: string): Promise<void> {
  if (note.supervisor && (await isAlive(note.supervisor))) {
    // Its cluster must not be pulled from under it, and it must not go on building in a directory that is being removed.
    await endProcess(note.supervisor, [["SIGKILL", 5_000]]);
  }
  await endServerOf(data, note.cell);
}

/** A crash between making the directory and writing its note leaves it empty. */
async function removeUnborn(directory: string, jobId: string): Promise<boolean> {
  if (!basename(directory).includes(jobId)) {
    throw new LifeboatError("SCRATCH_FAILED", `${directory} holds no cluster of ours; it is left as it is`);
  }
  await rm(`${layoutOf(directory).note}.new`, { force: true });
  await rmdir(directory).catch((cause) => {
    throw new LifeboatError("SCRATCH_FAILED", `${directory} holds files that are not ours; it is left as it is`, { cause });
  });
  return true;
}

/** Ends a server of ours that nobody looks after any more; `inPeace` lets it write out what is in memory. */
export async function endServerOf(data: string, cell?: ProcessMark, inPeace = false): Promise<void> {
  const mark = cell ?? (await serverOver(data));
  if (mark === undefined) return;
  const ended = await endProcess(mark, inPeace ? IN_PEACE : IN_PEACE.slice(1));
  if (!ended) throw new LifeboatError("SCRATCH_FAILED", `the server ${mark.pid} of ${data} cannot be ended`);
}

/** Without a cell, a server says its number itself; one of ours names its data directory in its arguments: nothing else does. */
async function serverOver(data: string): Promise<ProcessMark | undefined> {
  const pid = Number((await postmasterFile(data))[0]);
  if (!Number.isInteger(pid) || pid <= 1) return undefined;
  const mark = await markProcess(pid);
  return mark !== undefined && (await commandOf(pid)).includes(`-D ${data} `) ? mark : undefined;
}
