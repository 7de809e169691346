// The lock under which an object is replaced or removed, database against every process that uses the same directory.
//
// It is SQLite's lock on an empty database file, because that is the one lock Node can take which the kernel itself
// releases when its holder dies, however it dies: no owner to detect, nothing stale to break, nothing to get wrong.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { LifeboatError } from "../../core/errors.ts";
import { orCancelled, pause } from "../deadline.ts";
import { factsAt, makeFolder, PRIVATE_FOLDER, type Root } from "./root.ts";

export const LOCK_FILE = "lock";

const BUSY = 5; // SQLITE_BUSY
const LONGEST_PAUSE_MS = 25;

/** Throws as the file system does: SQLite would not say why it cannot lock, or lock for reading only. */
async function assertWritable(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  await handle.close();
}

export interface ReplaceLock {
  /** Runs the work while no other caller, in this process or another, replaces or removes an object. */
  during<T>(root: Root, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  close(): Promise<void>;
}

/** `timeoutMs`: how long to wait for the others; each holds the lock for a few file system calls only. */
export function openReplaceLock(timeoutMs: number): ReplaceLock {
  let database: DatabaseSync | undefined;
  let opened: bigint | undefined; // the inode of the lock file
  let last: Promise<unknown> = Promise.resolve(); // in this process: one after the other

  const connect = async (root: Root): Promise<DatabaseSync> => {
    const folder = join(root.path, PRIVATE_FOLDER);
    const path = join(folder, LOCK_FILE);
    // Another file than before after the share was mounted again: a lock on the old one excludes no other process.
    const inode = (await factsAt(path))?.ino;
    if (database !== undefined && inode !== undefined && opened === inode) return database;
    database?.close();
    database = undefined;
    await makeFolder(folder);
    await assertWritable(path);
    const { DatabaseSync } = await import("node:sqlite");
    database = new DatabaseSync(path, { timeout: 0 });
    opened = (await factsAt(path))?.ino;
    return database;
  };

  const acquire = async (root: Root, signal: AbortSignal | undefined): Promise<DatabaseSync> => {
    const database = await connect(root);
    const giveUpAt = performance.now() + timeoutMs;
    for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        // A journal on disk would take space, and a full one waits for a removal.
        database.exec("PRAGMA journal_mode = memory; BEGIN EXCLUSIVE");
        return database;
      } catch (error) {
        const code = error instanceof Error && "errcode" in error ? Number(error.errcode) : 0;
        if ((code & 0xff) !== BUSY) {
          throw new LifeboatError("STORAGE_FAILED", `${root.path} cannot be locked: ${error instanceof Error ? error.message : error}`, {
            cause: error,
          });
        }
      }
      if (performance.now() > giveUpAt) {
        throw new LifeboatError("STORAGE_TIMEOUT", `another process kept ${root.path} locked for ${timeoutMs / 1000} s`);
      }
      await pause(pauseMs * (0.5 + Math.random()), signal);
    }
  };

  return {
    during(root, work, signal) {
      const turn = last.then(async () => {
        const database = await acquire(root, signal);
        try {
          return await work();
        } finally {
          database.exec("ROLLBACK"); // nothing is ever written to it
        }
      });
      last = turn.catch(() => undefined);
      return orCancelled(turn, signal);
    },
    async close() {
      await last;
      database?.close();
      database = undefined;
    },
  };
}
