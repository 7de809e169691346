// A repository that cannot be read when the program starts. What watches must run nevertheless, so that it tells: it then has the
// identity that this machine remembers, and each of its calls fails until the repository is there again.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Storage } from "../ports/storage.ts";
import { parseObject } from "./json-object.ts";
import type { Memory } from "./memory.ts";
import { identitySchema, openRepository } from "./open.ts";
import type { Repository, RepositoryIdentity } from "./repository.ts";
import type { Trust } from "./trust.ts";

const AWAY: ReadonlySet<string> = new Set([
  ...["STORAGE_UNREACHABLE", "STORAGE_TIMEOUT", "STORAGE_NOT_FOUND", "STORAGE_AUTH", "STORAGE_FAILED", "NO_REPOSITORY"],
]);

/** Tells whether the repository cannot be read at all. */
export const isAway = (error: unknown): error is LifeboatError => isLifeboatError(error) && AWAY.has(error.code);

interface Opening {
  readonly storage: Storage;
  readonly trust: Trust;
  readonly memory: (id: string) => Memory;
  /** The directory of local state. */
  readonly state: string;
  readonly signal?: AbortSignal | undefined;
}

/** As `openRepository`; one that is away is opened by what this machine remembers. Throws why it is away when it remembers nothing. */
export async function openEvenAway({ storage, trust, memory, state, signal }: Opening): Promise<Repository> {
  const file = join(state, `repository-${createHash("sha256").update(storage.url).digest("hex").slice(0, 20)}.json`);
  try {
    const repository = await openRepository(storage, trust, memory, signal);
    if (repository.flaw === undefined) remember(file, repository.identity);
    return repository;
  } catch (error) {
    const identity = isAway(error) ? remembered(storage, file) : undefined;
    if (identity === undefined) throw error;
    return { storage: onceSeen(storage, trust, identity.id), trust, identity, memory: memory(identity.id) };
  }
}

/** A machine on which it cannot be remembered fails while the repository is away, as one that never reached it. */
function remember(file: string, identity: RepositoryIdentity): void {
  const text = `${JSON.stringify(identity)}\n`;
  try {
    if (existsSync(file) && readFileSync(file, "utf8") === text) return;
    mkdirSync(join(file, ".."), { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.${process.pid}.new`, text, { mode: 0o600 });
    renameSync(`${file}.${process.pid}.new`, file);
  } catch {
    // the directory of local state is full or read-only
  }
}

function remembered(storage: Storage, file: string): RepositoryIdentity | undefined {
  try {
    return parseObject(storage, file, readFileSync(file), identitySchema);
  } catch {
    return undefined;
  }
}

/**
 * The storage, once the repository with this id was read from it. An empty directory under a share that is not mounted, or another
 * repository, receives nothing.
 */
function onceSeen(storage: Storage, trust: Trust, id: string): Storage {
  let isThere = false;
  let looking: Promise<void> | undefined;
  const look = async (): Promise<void> => {
    const { identity } = await openRepository(storage, trust);
    if (identity.id !== id) throw new LifeboatError("NO_REPOSITORY", `another repository than before is at ${storage.url}`);
    isThere = true;
  };
  const seen = async (): Promise<void> => {
    if (isThere) return;
    looking ??= look().finally(() => {
      looking = undefined;
    });
    await looking;
  };
  /** The same call, after the look. */
  const after =
    <Given extends readonly unknown[], Result>(call: (...given: Given) => Promise<Result>) =>
    async (...given: Given): Promise<Result> => {
      await seen();
      return call(...given);
    };
  const eachAfter = <Given extends readonly unknown[], Item>(call: (...given: Given) => AsyncIterable<Item>) =>
    async function* (...given: Given): AsyncGenerator<Item> {
      await seen();
      yield* call(...given);
    };
  const { url, capabilities, freeBytes, folderVersion } = storage;
  return {
    url,
    capabilities,
    put: after(storage.put.bind(storage)),
    get: eachAfter(storage.get.bind(storage)),
    head: after(storage.head.bind(storage)),
    list: eachAfter(storage.list.bind(storage)),
    listFolders: eachAfter(storage.listFolders.bind(storage)),
    ...(folderVersion && { folderVersion: after(folderVersion.bind(storage)) }),
    delete: after(storage.delete.bind(storage)),
    setStorageClass: after(storage.setStorageClass.bind(storage)),
    thaw: after(storage.thaw.bind(storage)),
    now: after(storage.now.bind(storage)),
    ...(freeBytes && { freeBytes: after(freeBytes.bind(storage)) }),
    sweep: after(storage.sweep.bind(storage)),
    close: () => storage.close(),
  };
}
