// The memory of this machine: a high-water mark of a repository. An attacker with write access can delete objects or roll them back to an
// older state, and no signature shows that. The memory detects missing and older objects. Unlike the catalog it is not a cache, so it is
// kept in the directory for state.
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { isOfFile } from "./private-database.ts";

/** A restore point that was seen. `digest` is that of its manifest. */
export interface SeenPoint {
  readonly id: string;
  readonly name: string;
  readonly digest: string;
  /** The instant of its data, in ISO 8601 UTC. */
  readonly time: string;
}

/** Both ends of the log of one timeline that were seen. Positions are in the engine's notation. */
export interface SeenLog {
  readonly timeline: number;
  readonly firstLsn: string;
  readonly lastLsn: string;
}

export type SeenJob = "running" | "ended";

export interface Memory {
  points(source: string): readonly SeenPoint[];
  /** Remembers the points, and forgets those of `gone`. */
  seePoints(source: string, seen: readonly SeenPoint[], gone: readonly string[]): void;
  /** Returns a text that differs once more, or something else, is remembered of the restore points and marks of the source. */
  version(source: string): string;
  /** Returns the highest revision of an object that was seen or written here. */
  revision(name: string): number | undefined;
  /** Returns the same for all objects under a prefix. */
  revisions(prefix: string): ReadonlyMap<string, number>;
  /** Remembers the revision of an object. Undefined: this machine deleted it. */
  seeRevision(name: string, revision: number | undefined): void;
  /** Returns a text that was remembered: the newest checkpoint of the audit log. */
  text(name: string): string | undefined;
  seeText(name: string, text: string): void;
  log(source: string): readonly SeenLog[];
  seeLog(source: string, seen: readonly SeenLog[]): void;
  /** Tells whether a job of this machine is running or has ended. Undefined: it did not begin here, or is no longer remembered. */
  jobState(id: string): SeenJob | undefined;
  jobBegan(id: string): void;
  jobEnded(id: string): void;
  /** Why the previous memory is lost, in one sentence. Undefined: it is not, or that was accepted for the source. */
  loss(source: string): string | undefined;
  acceptLoss(source: string): void;
  /**
   * Why the memory cannot be read or written now, such as a full disk, in one sentence. What is seen meanwhile is not remembered.
   * Undefined: it can.
   */
  trouble(): string | undefined;
  close(): void;
}

const SCHEMA = `
  create table if not exists point (source text, id text, name text not null, digest text not null, time text not null, primary key (source, id)) without rowid;
  create table if not exists revision (name text primary key, revision integer not null) without rowid;
  create table if not exists note (name text primary key, text text not null) without rowid;
  create table if not exists log (source text, timeline integer, firstLsn text not null, lastLsn text not null, primary key (source, timeline)) without rowid;
  create table if not exists job (id text primary key, state text not null) without rowid;`;

const IN_MEMORY = ":memory:";

/** The number of remembered jobs, far more than can have left resources. */
const JOBS = 20_000;

/** Returns the memory of a repository in the directory of local state. The file is opened on first use. */
export function openMemory(repositoryId: string, stateDirectory: string): Memory {
  return memoryIn(join(stateDirectory, `memory-${repositoryId.replace(/[^0-9a-z]/g, "_")}.sqlite`));
}

/** Returns a memory that ends with this process. */
export const openForgetful = (): Memory => memoryIn(IN_MEMORY);

function memoryIn(path: string): Memory {
  let opened: DatabaseSync | undefined;
  /** In place of a file that cannot be used now. It ends with this process. */
  let standIn: DatabaseSync | undefined;
  /** Why the file cannot be used now. */
  let away: string | undefined;
  /** Calls on the file; where it cannot be used, on the stand-in: a full disk stops neither backups nor alerts. */
  const on = <T>(call: (database: DatabaseSync) => T): T => {
    try {
      if (opened === undefined && away === undefined) opened = openDatabase(path);
      if (opened !== undefined) return call(opened);
    } catch (error) {
      if (path === IN_MEMORY || !isOfFile(error)) throw error;
      if (isDamaged(error)) {
        opened?.close();
        opened = replaced(path, error);
        return call(opened);
      }
      away = `the memory of this repository cannot be used (${path}: ${wordsOf(error)})`;
    }
    standIn ??= withSchema(IN_MEMORY);
    return call(standIn);
  };
  return {
    points: (source) =>
      on((file) => file.prepare("select id, name, digest, time from point where source = ?").all(source)) as unknown as SeenPoint[],
    seePoints(source, seen, gone) {
      if (seen.length === 0 && gone.length === 0) return;
      on((file) =>
        atOnce(file, () => {
          const insert = file.prepare("insert or replace into point values (?, ?, ?, ?, ?)");
          const remove = file.prepare("delete from point where source = ? and id = ?");
          for (const { id, name, digest, time } of seen) insert.run(source, id, name, digest, time);
          for (const id of gone) remove.run(source, id);
        }),
      );
    },
    version(source) {
      const prefix = `sources/${source}/`;
      const found = on((file) => [
        file.prepare("select count(*) as count, max(id) as last from point where source = ?").get(source),
        file
          .prepare("select count(*) as count, sum(revision) as sum from revision where name >= ? and name < ?")
          .get(prefix, `${prefix}\u{10ffff}`),
      ]);
      return JSON.stringify(found);
    },
    revision(name) {
      const row = on((file) => file.prepare("select revision from revision where name = ?").get(name)) as { revision: number } | undefined;
      return row?.revision;
    },
    revisions(prefix) {
      const rows = on((file) =>
        file.prepare("select name, revision from revision where name >= ? and name < ?").all(prefix, `${prefix}\u{10ffff}`),
      );
      return new Map((rows as unknown as { name: string; revision: number }[]).map(({ name, revision }) => [name, revision]));
    },
    seeRevision(name, revision) {
      on((file) =>
        revision === undefined
          ? file.prepare("delete from revision where name = ?").run(name)
          : file.prepare("insert or replace into revision values (?, ?)").run(name, revision),
      );
    },
    text: (name) => on((file) => textOf(file, name)),
    seeText: (name, text) => on((file) => setText(file, name, text)),
    log: (source) =>
      on((file) =>
        file.prepare("select timeline, firstLsn, lastLsn from log where source = ? order by timeline").all(source),
      ) as unknown as SeenLog[],
    seeLog(source, seen) {
      on((file) => {
        const insert = file.prepare("insert or replace into log values (?, ?, ?, ?)");
        for (const { timeline, firstLsn, lastLsn } of seen) insert.run(source, timeline, firstLsn, lastLsn);
      });
    },
    jobState(id) {
      const row = on((file) => file.prepare("select state from job where id = ?").get(id)) as { state: SeenJob } | undefined;
      return row?.state;
    },
    jobBegan(id) {
      on((file) => {
        file.prepare("insert or replace into job values (?, 'running')").run(id);
        // Ids sort by time, so the oldest ended jobs are forgotten.
        file.prepare("delete from job where state = 'ended' and id < (select id from job order by id desc limit 1 offset ?)").run(JOBS);
      });
    },
    jobEnded: (id) => void on((file) => file.prepare("insert or replace into job values (?, 'ended')").run(id)),
    loss(source) {
      const lost = on((file) => textOf(file, LOSS));
      return lost === undefined || on((file) => textOf(file, acceptanceOf(source))) === lost ? undefined : lost;
    },
    acceptLoss(source) {
      const lost = on((file) => textOf(file, LOSS));
      if (lost !== undefined) on((file) => setText(file, acceptanceOf(source), lost));
    },
    trouble() {
      if (away === undefined) return undefined;
      away = undefined;
      on((file) => setText(file, TRIED, "1"));
      return away;
    },
    close() {
      opened?.close();
      standIn?.close();
    },
  };
}

const LOSS = "loss";
/** Written to see whether the file can be written again. */
const TRIED = "tried";
const acceptanceOf = (source: string): string => `loss accepted ${source}`;

function textOf(database: DatabaseSync, name: string): string | undefined {
  const row = database.prepare("select text from note where name = ?").get(name) as { text: string } | undefined;
  return row?.text;
}

const setText = (database: DatabaseSync, name: string, text: string): void =>
  void database.prepare("insert or replace into note values (?, ?)").run(name, text);

/** All of it or nothing. */
function atOnce(database: DatabaseSync, act: () => void): void {
  database.exec("begin immediate");
  try {
    act();
    database.exec("commit");
  } catch (error) {
    if (database.isTransaction) database.exec("rollback");
    throw error;
  }
}

function openDatabase(path: string): DatabaseSync {
  if (path !== IN_MEMORY) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return withSchema(path);
}

function withSchema(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 10_000 });
  try {
    database.exec("pragma journal_mode = wal; pragma synchronous = normal;");
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite's codes for damage, and for what is not a database. */
const DAMAGED: readonly unknown[] = [11, 26];

/** A full disk, missing rights or a lock pass: the file is whole, and must not be forgotten because of them. */
const isDamaged = (error: unknown): boolean =>
  error instanceof Error && "errcode" in error && DAMAGED.includes(Number(error.errcode) & 0xff);

const wordsOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Renames a damaged file, which is never deleted. Where renaming fails, the memory ends with this process. */
function replaced(path: string, because: unknown): DatabaseSync {
  let database: DatabaseSync;
  try {
    renameSync(path, `${path}.damaged-${process.pid}`);
    database = withSchema(path);
  } catch {
    database = withSchema(IN_MEMORY);
  }
  // Every later process must find it, until a person accepts it.
  setText(database, LOSS, `the memory of this repository cannot be read (${path}: ${wordsOf(because)})`);
  return database;
}
