// Walking the directory in the order of names, and finding the remains of unfinished writes.
import type { Dirent } from "node:fs";
import { readdir, unlink } from "node:fs/promises";
import { join } from "node:path";
import type { ObjectInfo } from "../../ports/storage.ts";
import { throwIfCancelled } from "../deadline.ts";
import { errnoOf } from "./errors.ts";
import { LOCK_FILE } from "./lock.ts";
import { factsAt, infoOf, PRIVATE_FOLDER, type Root } from "./root.ts";

const AT_ONCE = 64; // files looked at together

/**
 * Objects whose name starts with the prefix, ascending, some at a time. One folder's names are held at a time (per level), no more.
 * What appears or goes during the walk may or may not be seen.
 */
export async function* listObjects(root: Root, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<readonly ObjectInfo[]> {
  const slash = prefix.lastIndexOf("/") + 1;
  yield* walk(root, prefix.slice(0, slash), prefix.slice(slash), signal);
}

/** `folder` is "" or ends in "/"; only entries starting with `start` count. */
async function* walk(root: Root, folder: string, start: string, signal: AbortSignal | undefined): AsyncGenerator<readonly ObjectInfo[]> {
  const keys = await keysOf(root, folder, start);
  for (let at = 0; at < keys.length; ) {
    throwIfCancelled(signal);
    const key = keys[at] ?? "";
    if (key.endsWith("/")) {
      at++;
      yield* walk(root, folder + key, "", signal);
      continue;
    }
    let end = at;
    while (end < keys.length && end - at < AT_ONCE && !keys[end]?.endsWith("/")) end++;
    const names = keys.slice(at, end).map((file) => folder + file);
    const facts = await Promise.all(names.map((name) => factsAt(join(root.path, name))));
    yield names.flatMap((name, index) => {
      const found = facts[index];
      return found === undefined ? [] : [infoOf(name, found)];
    });
    at = end;
  }
}

/** Entries of a folder, folders with a "/" behind: sorted like that, a walk meets whole names in order (`a-b` < `a/b` < `ab`). */
async function keysOf(root: Root, folder: string, start: string): Promise<string[]> {
  const keys: string[] = [];
  for (const entry of await entriesOf(join(root.path, folder))) {
    if (!entry.name.startsWith(start) || (folder === "" && entry.name === PRIVATE_FOLDER)) continue;
    if (entry.isDirectory()) keys.push(`${entry.name}/`);
    else if (entry.isFile()) keys.push(entry.name);
  }
  return keys.sort();
}

async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error; // removed meanwhile, or no such prefix
    return [];
  }
}

/** Folders directly under the prefix ("" or ending in "/"). They are not looked into: one that a crash left empty is named too. */
export async function* listFolderNames(root: Root, prefix: string, signal: AbortSignal | undefined): AsyncGenerator<readonly string[]> {
  throwIfCancelled(signal);
  yield (await keysOf(root, prefix, "")).filter((key) => key.endsWith("/")).map((key) => key.slice(0, -1));
}

/** Removes unfinished writes of names under the prefix whose file was not written to since; returns how many. */
export async function sweepUnfinished(root: Root, prefix: string, since: Date, signal: AbortSignal | undefined): Promise<number> {
  const folder = join(root.path, PRIVATE_FOLDER);
  let swept = 0;
  for (const entry of await entriesOf(folder)) {
    throwIfCancelled(signal);
    const plus = entry.name.indexOf("+");
    if (entry.name.startsWith(LOCK_FILE) || !entry.isFile() || plus < 0) continue;
    const start = prefix.replaceAll("/", "+");
    const written = entry.name.slice(plus + 1);
    if (!written.startsWith(start) && !(entry.name.length === 240 && start.startsWith(written))) continue;
    const path = join(folder, entry.name);
    const facts = await factsAt(path);
    if (facts === undefined || Number(facts.mtimeMs) >= since.getTime()) continue;
    await unlink(path).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw error;
    });
    swept++;
  }
  return swept;
}
