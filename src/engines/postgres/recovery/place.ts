// Where a recovery works: the data directory that it makes, and a directory of our own beside it that proves, as long as
// it is there, that the data directory is ours and not finished.
import { constants } from "node:fs";
import { access, lstat, mkdir, open, readdir, rm, statfs } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { BaseFacts } from "../../../core/log.ts";
import type { Maker, Resource, Undone } from "../../../ports/resource.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";
import { makePassage, type ServerUser, serverUser } from "../../../process/server-user.ts";
import {
  type ClusterNote,
  changeNote,
  isOwnDirectory,
  layoutOf,
  noteOf,
  readNote,
  removeNoted,
  type UnfinishedData,
  writeNote,
} from "../cluster/layout.ts";
import { assertNoteOf, endProcessesOf, removeUnborn, undoCluster } from "../cluster/undo.ts";

export const RECOVERY_KIND = "recovery";

export interface RecoveryPlace {
  readonly directory: string;
  /** Socket, log, configuration, and the files by which the server asks for its log. */
  readonly work: string;
  /** Where tablespaces go: each in a directory named by its oid. */
  readonly tablespaces: string;
  /** Who runs the server and owns the data; undefined: we do. */
  readonly owner: ServerUser | undefined;
  /** The directory was there before, and empty. */
  readonly existed: boolean;
  readonly maker: Maker;
  readonly resource: Resource;
}

/** Log that is fetched ahead, and what a starting server writes. */
const RESERVE_BYTES = 256 * 1024 * 1024;

interface PlaceOptions {
  readonly directory: string;
  readonly maker: Maker;
  readonly temporary: boolean;
  readonly sizeBytes?: number | undefined;
  readonly base: BaseFacts;
}

/**
 * Looks, and touches nothing: RESTORE_TARGET_NOT_EMPTY when anything is there, RESTORE_TARGET_INVALID when it cannot be
 * made or its server could not reach it, DISK_FULL.
 */
export async function planPlace({ directory, maker, temporary, sizeBytes, base }: PlaceOptions): Promise<RecoveryPlace> {
  if (!isAbsolute(directory)) throw invalid(`the directory to restore into must be absolute, not ${directory}`);
  const parent = dirname(directory);
  const there = await occupantsOf(directory);
  const above = await lstat(parent).catch(() => undefined);
  if (!above?.isDirectory()) throw invalid(`${directory} cannot be made: there is no directory ${parent}`);
  const tablespaces = temporary ? join(workBeside(directory), "tablespaces") : `${directory}-tablespaces`;
  if (base.tablespaces.length > 0 && !temporary) await occupantsOf(tablespaces);
  const owner = await ownerFor([there, above]);
  await mustReach(parent, owner);
  const free = await statfs(there === undefined ? parent : directory);
  const freeBytes = free.bavail * free.bsize;
  const neededBytes = (sizeBytes ?? 0) + RESERVE_BYTES;
  if (freeBytes < neededBytes) {
    throw new LifeboatError("DISK_FULL", `${directory} has ${freeBytes} bytes free, and the restore needs ${neededBytes} there`, {
      hint: "free space there, or restore into a directory on a larger disk",
      details: { directory, freeBytes, neededBytes },
    });
  }
  const beside = await access(parent, constants.W_OK).then(
    () => true,
    () => false,
  );
  const work = beside ? workBeside(directory) : join(tmpdir(), `lifeboat-${maker.jobId}${SUFFIX}`);
  // Where to look for the note, and no more: what goes is what the note says.
  const locator = { directory, work, host: hostname() };
  return { directory, work, tablespaces, owner, existed: there !== undefined, maker, resource: { kind: RECOVERY_KIND, locator } };
}

const SUFFIX = ".lifeboat";
const workBeside = (directory: string): string => `${directory}${SUFFIX}`;

/** What the note in a work directory holds. */
export const proofOf = (maker: Maker, work: string): string => maker.prove(RECOVERY_KIND, work);

/** Makes work and data directory. The note first: what it names is ours. */
export async function beginPlace(place: RecoveryPlace): Promise<void> {
  const { directory, work, tablespaces, existed, maker } = place;
  await makePassage(work, place.owner !== undefined).catch((cause) => {
    throw invalid(`${work}, a directory for the time of the restore, cannot be made: ${cause.message}`, cause);
  });
  const { jobId } = maker;
  const unfinished = { tablespaces, existed };
  await writeNote(work, noteOf({ directory: work, jobId, host: hostname(), proof: proofOf(maker, work), data: directory, unfinished }));
  if (!existed) {
    await mkdir(directory, { mode: 0o700 }).catch((cause) => {
      throw invalid(`${directory} cannot be made: ${cause.message}`, cause);
    });
  }
  await changeNote(work, { unfinished: { ...unfinished, identity: await identityOf(directory) } });
}

/** Of a directory; undefined when it is not there, or is a link or a file. */
async function identityOf(directory: string): Promise<string | undefined> {
  const facts = await lstat(directory).catch(() => undefined);
  return facts?.isDirectory() ? `${facts.dev}:${facts.ino}` : undefined;
}

/**
 * Removes what a recovery left that never came to its end: exactly what the note of this job in the work directory names. Without the
 * note, a directory is finished, or another's: it is left as it is.
 */
export async function undoPlace({ locator: { work = "", host = "" } }: Resource, maker: Maker): Promise<Undone> {
  if (host !== hostname()) return "elsewhere";
  const note = await readNote(work);
  if (note === undefined) return (await isOwnDirectory(work)) === undefined ? "absent" : await removeUnborn(work, work.endsWith(SUFFIX));
  const locator = { directory: work, jobId: maker.jobId, host, proof: proofOf(maker, work) };
  assertNoteOf(note, locator);
  if (note.data !== undefined && note.unfinished !== undefined) await removeData(note, note.data, note.unfinished);
  return await undoCluster(locator);
}

async function removeData(note: ClusterNote, data: string, { tablespaces, existed, identity }: UnfinishedData): Promise<void> {
  await endProcessesOf(note, data);
  const there = await identityOf(data);
  // Made just before the crash, and before its identity was noted: it is empty then.
  const unnoted = identity === undefined && there !== undefined && (await readdir(data)).length === 0;
  if (there !== identity && !unnoted && (await isOwnDirectory(data)) !== undefined)
    throw new LifeboatError("SCRATCH_FAILED", `${data} is not the directory that job ${note.jobId} made; it is left as it is`);
  if ((await identityOf(tablespaces)) !== undefined) await rm(tablespaces, { recursive: true, force: true, maxRetries: 5 });
  if (there === undefined) return;
  if (existed) for (const name of await readdir(data)) await rm(join(data, name), { recursive: true, force: true });
  else await rm(data, { recursive: true, force: true, maxRetries: 5 });
}

/** The recovery is over and its data is to stay: from here on none of our files is there. */
export async function finishPlace(place: RecoveryPlace): Promise<void> {
  // Its name in the directory above is all that the server did not flush itself.
  const parent = await open(dirname(place.directory));
  await parent.sync().finally(() => parent.close());
  // From this line on the note names nothing but its own directory.
  await changeNote(place.work, { unfinished: undefined });
  await rm(layoutOf(place.work).socket, { recursive: true, force: true });
  await removeNoted(place.work);
}

/** Its facts when it is there and empty; undefined when it is not there. */
async function occupantsOf(directory: string): Promise<{ uid: number; gid: number } | undefined> {
  const facts = await lstat(directory).catch(() => undefined);
  if (facts === undefined) return undefined;
  if (!facts.isDirectory()) throw invalid(`${directory} exists already, and is not a directory`);
  const names = (await readdir(directory)).filter((name) => name !== "lost+found");
  if (names.length === 0) return facts;
  const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
  throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${directory} is not empty: it holds ${shown}`, {
    hint: "restore into a directory that does not exist yet, or is empty",
  });
}

/** As root: the owner of the directory, or the one above it, unless that is root; else the user that servers run as. */
async function ownerFor(directories: readonly ({ uid: number; gid: number } | undefined)[]): Promise<ServerUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = directories.find((one) => one !== undefined && one.uid !== 0);
  return found === undefined ? await serverUser() : { uid: found.uid, gid: found.gid };
}

/** A server of another user must be able to pass through to its data. */
async function mustReach(directory: string, owner: ServerUser | undefined): Promise<void> {
  if (owner === undefined) return;
  const { status } = await runProgram("test", ["-x", directory], { ...owner, env: baseEnvironment(), timeoutMs: 10_000, cwd: "/" });
  if (status !== 0) throw invalid(`the server's user (uid ${owner.uid}) cannot enter ${directory}`);
}

const invalid = (message: string, cause?: unknown): LifeboatError =>
  new LifeboatError("RESTORE_TARGET_INVALID", message, {
    cause,
    hint: "give --into a directory that does not exist yet, below one that the server's user can enter, as /var/lib/postgresql/restored",
  });
