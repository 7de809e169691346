// Where a fleet keeps its files, and the note that lets a later process find and end what a killed sandbox left.
import { createHash } from "node:crypto";
import { chown, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { LifeboatError } from "../../../../src/core/errors.ts";
import { endServerOf } from "../../../../src/engines/postgres/cluster/undo.ts";
import type { ProcessMark } from "../../../../src/process/marks.ts";
import { endProcess, isAlive, markProcess } from "../../../../src/process/marks.ts";
import { makePassage, type ServerUser } from "../../../../src/process/server-user.ts";
import { endOrphans, fleetName } from "./orphans.ts";

/** The note in a fleet's directory, written before anything else is there. */
interface FleetNote {
  readonly lifeboat: "fleet";
  /** The directory itself: a note that was copied elsewhere means nothing. */
  readonly directory: string;
  readonly host: string;
  /** The process that uses the fleet. */
  readonly owner: ProcessMark;
  /** The process that ends the fleet when its owner dies; absent until it runs. */
  readonly reaper?: ProcessMark | undefined;
}

export interface Place {
  readonly note: string;
  /** The one data directory that `initdb` makes; every first line begins as a copy of it. */
  readonly template: string;
  /** A directory for each line, by its id. */
  readonly lines: string;
  /** Every server's socket; they differ by their ports. */
  readonly sockets: string;
  /** Certificate, key, and who may log in how. */
  readonly access: string;
}

/** A socket's path may have 107 bytes on Linux and 103 on macOS; `.s.PGSQL.12345.lock` needs 20 of them. */
const LONGEST_SOCKETS_DIRECTORY = 103 - 20;

export function placeOf(directory: string): Place {
  const beside = join(directory, "s");
  const digest = createHash("sha256").update(directory).digest("hex").slice(0, 16);
  return {
    note: join(directory, "lifeboat.json"),
    template: join(directory, "template"),
    lines: join(directory, "lines"),
    // Servers are told of it in a list: a path with a comma or a quote would be several.
    sockets: Buffer.byteLength(beside) <= LONGEST_SOCKETS_DIRECTORY && !/[,"]/.test(beside) ? beside : `/tmp/lifeboat-${digest}`,
    access: join(directory, "access"),
  };
}

/** The directory of a line's data. */
export const dataOf = (place: Place, line: string): string => join(place.lines, line, "data");

/** Makes the directory, with the note first. SCRATCH_FAILED when it exists already or cannot be made. */
export async function makePlace(directory: string, user: ServerUser | undefined): Promise<Place> {
  const place = placeOf(directory);
  const owner = await markProcess(process.pid);
  if (owner === undefined) throw new LifeboatError("SCRATCH_FAILED", "this process cannot find itself among the running ones");
  // Other users may pass through, to reach the servers' part of it, but not list it.
  await makePassage(directory, user !== undefined).catch((cause) => {
    throw new LifeboatError("SCRATCH_FAILED", `the directory ${directory} for the sandbox cannot be made: ${cause.message}`, { cause });
  });
  await writeNote({ lifeboat: "fleet", directory, host: hostname(), owner });
  for (const path of [place.template, place.lines, place.sockets, place.access]) await makeOwn(path, user);
  return place;
}

/** Makes a directory of the servers' user. One that is there already is not taken over. */
export async function makeOwn(path: string, user: ServerUser | undefined): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

/** A file that the servers' user alone can read. */
export async function writeOwn(path: string, content: string | Uint8Array, user: ServerUser | undefined): Promise<void> {
  await writeFile(path, content, { mode: 0o600, flag: "wx" });
  if (user !== undefined) await chown(path, user.uid, user.gid);
}

export async function noteReaper(directory: string, reaperPid: number): Promise<void> {
  const note = await readNote(directory);
  if (note !== undefined) await writeNote({ ...note, reaper: await markProcess(reaperPid) });
}

/** Ends every server of the fleet and removes it. Safe to call twice. */
export async function removePlace(directory: string): Promise<void> {
  const place = placeOf(directory);
  const lines = await readdir(place.lines).catch(() => []);
  await Promise.all(lines.map((line) => endServerOf(dataOf(place, line))));
  if (lines.length > 0) await endOrphans(fleetName(directory));
  await rm(place.sockets, { recursive: true, force: true, maxRetries: 5 });
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * Deletes what killed sandboxes left in a directory: of this host, of this user, with a note of their own, and with an owner that
 * has certainly ended. Returns what was deleted.
 */
export async function removeStaleFleets(parent: string): Promise<string[]> {
  const removed: string[] = [];
  for (const name of await readdir(parent).catch(() => [])) {
    const directory = join(parent, name);
    const facts = await lstat(directory).catch(() => undefined);
    if (!facts?.isDirectory() || facts.uid !== process.getuid?.()) continue;
    const note = await readNote(directory);
    if (note === undefined || note.host !== hostname() || (await isAlive(note.owner))) continue;
    // The reaper may be at the same work already; each must do all of it.
    if (note.reaper) await endProcess(note.reaper, [["SIGKILL", 5_000]]);
    await removePlace(directory);
    removed.push(directory);
  }
  return removed;
}

/** Bytes of all files in a directory and below; files that vanish meanwhile count for nothing. */
export async function sizeOf(directory: string): Promise<number> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const sizes = entries.map(async (entry) => {
    if (!entry.isFile()) return 0;
    return (await lstat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0;
  });
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

async function readNote(directory: string): Promise<FleetNote | undefined> {
  const text = await readFile(placeOf(directory).note, "utf8").catch(() => "");
  try {
    const note = JSON.parse(text) as FleetNote;
    return note.lifeboat === "fleet" && note.directory === directory && typeof note.owner?.pid === "number" ? note : undefined;
  } catch {
    return undefined;
  }
}

/** Replaces the note in one act: a crash leaves the old one or the new one. */
async function writeNote(note: FleetNote): Promise<void> {
  const path = placeOf(note.directory).note;
  await writeFile(`${path}.new`, `${JSON.stringify(note)}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
