// The version of a folder, by which a reader knows that nothing in it was created, replaced or deleted. A synchronous look at an entry
// costs a tenth of one that is awaited.
import { hash } from "node:crypto";
import { lstatSync, readdirSync, type Stats } from "node:fs";
import { lstat } from "node:fs/promises";
import { setImmediate } from "node:timers/promises";
import type { FolderVersion } from "../../ports/storage.ts";
import { errnoOf } from "./errors.ts";

/** Then others have a turn, and a deadline can end the call: a look at a share that is far away takes a millisecond. */
const LOOKS_AT_ONCE = 64;

/**
 * Takes the version of a folder with its direct entries. Undefined: there is no such folder. The change time of a folder or file is the file
 * system's own: it moves with every entry that is created, renamed into place or removed and with every write, and no program can set it.
 * Symbolic links are not folders.
 */
export async function folderVersion(path: string): Promise<FolderVersion | undefined> {
  // Awaited, so that a share that does not answer stops nothing else: its entries are looked at when it has answered just now.
  const own = await lstat(path).catch(nothingThere);
  if (own?.isDirectory() !== true) return undefined;
  let version = factsOf("", own);
  let newestMs = own.ctimeMs;
  const names = namesIn(path).sort();
  for (let at = 0; at < names.length; at += LOOKS_AT_ONCE) {
    if (at > 0) await setImmediate();
    let facts = version;
    for (const name of names.slice(at, at + LOOKS_AT_ONCE)) {
      const found = lookAt(`${path}/${name}`);
      if (found === undefined) continue; // removed meanwhile, which has changed the folder
      facts += factsOf(name, found);
      newestMs = Math.max(newestMs, found.ctimeMs);
    }
    // Some at a time: the collector would copy the facts of ten thousand entries again and again.
    version = hash("sha256", facts, "base64url");
  }
  return { version, changedAt: new Date(newestMs) };
}

/** Times to a quarter of a microsecond, which is what a number of milliseconds can tell. */
const factsOf = (name: string, { dev, ino, size, ctimeMs }: Stats): string => `${name}/${dev} ${ino} ${size} ${ctimeMs}\n`;

function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    return nothingThere(error);
  }
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch (error) {
    return nothingThere(error) ?? [];
  }
}

function nothingThere(error: unknown): undefined {
  if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
}
