// The version of a folder, by which a reader knows that nothing in it was created, replaced or deleted. A synchronous look at an entry
// costs a tenth of one that is awaited.
import { hash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync } from "node:fs";
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
  const own = await lstat(path, { bigint: true }).catch(nothingThere);
  if (own?.isDirectory() !== true) return undefined;
  let facts = "";
  let newestNs = 0n;
  const add = (name: string, { dev, ino, size, ctimeNs }: BigIntStats): void => {
    facts += `${name}/${dev} ${ino} ${size} ${ctimeNs}\n`;
    if (ctimeNs > newestNs) newestNs = ctimeNs;
  };
  add("", own);
  for (const [at, name] of namesIn(path).sort().entries()) {
    if (at > 0 && at % LOOKS_AT_ONCE === 0) await setImmediate();
    const found = factsOf(`${path}/${name}`);
    if (found !== undefined) add(name, found); // otherwise removed meanwhile, which has changed the folder
  }
  return { version: hash("sha256", facts, "base64url"), changedAt: new Date(Number(newestNs / 1_000_000n)) };
}

function factsOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true });
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
