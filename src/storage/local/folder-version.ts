// The version of a folder, by which a reader knows that nothing in it was created, replaced or deleted. Of many entries a thread takes
// it. A synchronous look at an entry costs a tenth of one that is awaited.
import { hash } from "node:crypto";
import { type BigIntStats, lstatSync, readdirSync } from "node:fs";
import { lstat } from "node:fs/promises";
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { FolderVersion } from "../../ports/storage.ts";
import { errnoOf } from "./errors.ts";

export interface VersionRequest {
  readonly id: number;
  readonly path: string;
}

export interface VersionAnswer {
  readonly id: number;
  readonly found?: FolderVersion | undefined;
  readonly failure?: { readonly message: string; readonly code: string | undefined } | undefined;
}

/** From so many entries on, of all folders together, starting the thread is worth it: that takes as long as some thousand looks. */
const MANY_ENTRIES = 20_000;
/** It keeps next to nothing of its own. */
const LIMITS = { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 64 };

/** Takes the version of a folder with its direct entries. Undefined: there is no such folder. */
export async function folderVersion(path: string): Promise<FolderVersion | undefined> {
  if (thread?.isReady === true) return versionInThread(path);
  // Awaited, so that a share that does not answer stops nothing else: it is looked at further when it has answered just now.
  const own = await lstat(path, { bigint: true }).catch(nothingThere);
  if (own?.isDirectory() !== true) return undefined;
  const names = namesIn(path);
  looked += names.length;
  if (looked >= MANY_ENTRIES) thread ??= beginThread();
  // Until the thread is ready, only very large folders wait for it.
  return names.length < MANY_ENTRIES ? versionOf(path, own, names) : versionInThread(path);
}

/** The same at once, for the thread. */
export function versionAt(path: string): FolderVersion | undefined {
  const own = factsOf(path);
  return own?.isDirectory() === true ? versionOf(path, own, namesIn(path)) : undefined;
}

/**
 * The change time of a folder or file is the file system's own: it moves with every entry that is created, renamed into place or removed
 * and with every write, and no program can set it. Symbolic links are not folders.
 */
function versionOf(path: string, own: BigIntStats, names: readonly string[]): FolderVersion {
  let facts = "";
  let newestNs = 0n;
  const add = (name: string, { dev, ino, size, ctimeNs }: BigIntStats): void => {
    facts += `${name}/${dev} ${ino} ${size} ${ctimeNs}\n`;
    if (ctimeNs > newestNs) newestNs = ctimeNs;
  };
  add("", own);
  for (const name of [...names].sort()) {
    const found = factsOf(`${path}/${name}`);
    if (found !== undefined) add(name, found); // otherwise removed meanwhile, which has changed the folder
  }
  return { version: hash("sha256", facts, "base64url"), changedAt: new Date(Number(newestNs / 1_000_000n)) };
}

const factsOf = (path: string): BigIntStats | undefined => {
  try {
    return lstatSync(path, { bigint: true });
  } catch (error) {
    return nothingThere(error);
  }
};

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

type Settle = (answer: VersionAnswer) => void;

interface Thread {
  readonly worker: Worker;
  readonly waiting: Map<number, Settle>;
  isReady: boolean;
}

/** One thread of the process, begun when it is first needed. It does not keep the process running. */
let thread: Thread | undefined;
let asked = 0;
/** How many entries of folders were looked at without the thread. */
let looked = 0;

/** The same as `versionAt`, taken by the thread. */
export function versionInThread(path: string): Promise<FolderVersion | undefined> {
  thread ??= beginThread();
  const { worker, waiting } = thread;
  const id = ++asked;
  return new Promise((resolve, reject) => {
    waiting.set(id, ({ found, failure }) => {
      waiting.delete(id);
      if (waiting.size === 0) worker.unref();
      if (failure === undefined) resolve(found);
      else reject(Object.assign(new Error(failure.message), { code: failure.code }));
    });
    worker.ref();
    worker.postMessage({ id, path } satisfies VersionRequest);
  });
}

function beginThread(): Thread {
  // Runs from source and from the compiled package alike.
  const script = import.meta.url.endsWith(".ts") ? "./version-thread.ts" : "./version-thread.js";
  const cache = getCompileCacheDir();
  const env = cache === undefined ? {} : { NODE_COMPILE_CACHE: dirname(cache) }; // otherwise it would strip the types anew
  const worker = new Worker(fileURLToPath(new URL(script, import.meta.url)), { resourceLimits: LIMITS, env });
  worker.unref();
  const waiting = new Map<number, Settle>();
  const begun: Thread = { worker, waiting, isReady: false };
  const fail = (message: string): void => {
    if (thread?.worker === worker) thread = undefined; // the next one is begun anew
    for (const [id, settle] of waiting) settle({ id, failure: { message, code: undefined } });
  };
  worker.on("message", (answer: VersionAnswer) => {
    begun.isReady = true; // its first message answers no request
    waiting.get(answer.id)?.(answer);
  });
  worker.on("error", (error: Error) => fail(error.message));
  worker.on("exit", () => fail("the thread that looks at folders ended"));
  return begun;
}
