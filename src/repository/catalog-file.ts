// The file of the catalog. A damaged one is discarded; one that another process has locked is left alone, and used again for the next
// reading.
import { chmodSync, closeSync, lstatSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LOG_SCHEMA } from "./log-catalog.ts";
import { LOOK_SCHEMA } from "./looks.ts";
import type { Repository } from "./repository.ts";
import { CACHE_SCHEMA, forgetOtherKeys } from "./signed-cache.ts";
import { SUMMARY_SCHEMA } from "./summaries.ts";

const VERSION = 5;
// Rows that hold a whole object have a table by number: one by name would take a page or two for each.
const SCHEMA = `${CACHE_SCHEMA}${LOG_SCHEMA}${SUMMARY_SCHEMA}${LOOK_SCHEMA}
  pragma user_version = ${VERSION};`;

/** Tables that an earlier version made otherwise. */
const EARLIER = ["manifest", "mark", "log", "object", "summary"];

const IN_MEMORY = ":memory:";
const LOCKED_MS = 2000;

export interface CatalogFile {
  /** Runs a reading that can be repeated. Where the file cannot be used, it runs on an empty catalog in memory. */
  use<T>(read: (database: DatabaseSync) => Promise<T>): Promise<T>;
  close(): void;
}

export function openCatalogFile(repository: Repository, stateDirectory: string): CatalogFile {
  let path = catalogFile(repository.identity.id, stateDirectory);
  let opened = openDatabase(path, repository);
  return {
    async use(read) {
      opened ??= openDatabase(path, repository);
      if (opened !== undefined) {
        try {
          return await read(opened);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ERR_SQLITE_ERROR") throw error;
          if (!isLocked(error)) {
            // Damaged, or on a full disk: this run works without it. Other readings may still be using it.
            path = IN_MEMORY;
            opened = openDatabase(path, repository);
          }
        }
      }
      const meanwhile = path === IN_MEMORY ? opened : openDatabase(IN_MEMORY, repository);
      if (meanwhile === undefined) throw new Error("a catalog in memory cannot be opened");
      try {
        return await read(meanwhile);
      } finally {
        if (meanwhile !== opened) meanwhile.close();
      }
    },
    close: () => opened?.close(),
  };
}

/** SQLITE_BUSY or SQLITE_LOCKED, of any kind. */
const isLocked = (error: unknown): boolean => [5, 6].includes(((error as { errcode?: number }).errcode ?? 0) & 0xff);

/** The repository's id comes from the storage, so only a plain word becomes a file name, and a link or directory is not opened. */
function catalogFile(id: string, stateDirectory: string): string {
  if (!/^[0-9A-Za-z]{1,64}$/.test(id)) return IN_MEMORY;
  const path = join(stateDirectory, `catalog-${id}.sqlite`);
  return filesOf(path).every(isOurs) ? path : IN_MEMORY;
}

const filesOf = (path: string): string[] => ["", "-wal", "-shm"].map((suffix) => `${path}${suffix}`);

/** Tells whether a catalog may be at the path: nothing exists there yet, or a regular file of this user. What others put there is not used. */
function isOurs(path: string): boolean {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  return facts === undefined || (facts.isFile() && facts.uid === (process.getuid?.() ?? facts.uid));
}

/** Creates the file with mode 0600. One that others could write to is discarded. */
function makePrivate(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const mode = lstatSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o022) !== 0) for (const file of filesOf(path)) rmSync(file, { force: true });
  closeSync(openSync(path, "a", 0o600)); // SQLite gives its other files the mode of this one
  chmodSync(path, 0o600);
}

/** Undefined: another process holds a lock on it. */
function openDatabase(path: string, { trust }: Pick<Repository, "trust">): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    if (path !== IN_MEMORY) makePrivate(path);
    database = new DatabaseSync(path, { timeout: LOCKED_MS });
    database.exec("pragma journal_mode = wal; pragma synchronous = off;");
    const { user_version } = database.prepare("pragma user_version").get() as { user_version: number };
    if (user_version > 0 && user_version < VERSION) for (const table of EARLIER) database.exec(`drop table if exists ${table}`);
    database.exec(SCHEMA);
    forgetOtherKeys(database, trust);
    return database;
  } catch (error) {
    database?.close();
    if (path === IN_MEMORY) throw error;
    if (isLocked(error)) return undefined;
    for (const file of filesOf(path)) if (isOurs(file)) rmSync(file, { force: true });
    return openDatabase(IN_MEMORY, { trust }); // the next run creates a new file
  }
}
