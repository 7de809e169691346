// The memory of this machine: a high-water mark of a repository. An attacker with write access can delete objects or roll them back to an
// older state, and no signature shows that. The memory detects missing and older objects. Unlike the catalog it is not a cache, so it is
// kept in the directory for state.
import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

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
  close(): void;
}

const SCHEMA = `
  create table if not exists point (source text, id text, name text not null, digest text not null, time text not null, primary key (source, id)) without rowid;
  create table if not exists revision (name text primary key, revision integer not null) without rowid;
  create table if not exists note (name text primary key, text text not null) without rowid;
  create table if not exists log (source text, timeline integer, firstLsn text not null, lastLsn text not null, primary key (source, timeline)) without rowid;
  create table if not exists job (id text primary key, state text not null) without rowid;`;

/** The number of remembered jobs, far more than can have left resources. */
const JOBS = 20_000;

/** Returns the memory of a repository in the directory of local state. The file is opened on first use. */
export function openMemory(repositoryId: string, stateDirectory: string): Memory {
  return memoryIn(join(stateDirectory, `memory-${repositoryId.replace(/[^0-9a-z]/g, "_")}.sqlite`));
}

/** Returns a memory that ends with this process. */
export const openForgetful = (): Memory => memoryIn(":memory:");

function memoryIn(path: string): Memory {
  let opened: DatabaseSync | undefined;
  const use = (): DatabaseSync => {
    opened ??= openDatabase(path);
    return opened;
  };
  return {
    points: (source) => use().prepare("select id, name, digest, time from point where source = ?").all(source) as unknown as SeenPoint[],
    seePoints(source, seen, gone) {
      if (seen.length === 0 && gone.length === 0) return;
      const database = use();
      const insert = database.prepare("insert or replace into point values (?, ?, ?, ?, ?)");
      const remove = database.prepare("delete from point where source = ? and id = ?");
      database.exec("begin immediate");
      for (const { id, name, digest, time } of seen) insert.run(source, id, name, digest, time);
      for (const id of gone) remove.run(source, id);
      database.exec("commit");
    },
    version(source) {
      const points = use().prepare("select count(*) as count, max(id) as last from point where source = ?").get(source);
      const prefix = `sources/${source}/`;
      const revisions = use()
        .prepare("select count(*) as count, sum(revision) as sum from revision where name >= ? and name < ?")
        .get(prefix, `${prefix}\u{10ffff}`);
      return JSON.stringify([points, revisions]);
    },
    revision(name) {
      const row = use().prepare("select revision from revision where name = ?").get(name) as { revision: number } | undefined;
      return row?.revision;
    },
    revisions(prefix) {
      const rows = use().prepare("select name, revision from revision where name >= ? and name < ?").all(prefix, `${prefix}\u{10ffff}`);
      return new Map((rows as unknown as { name: string; revision: number }[]).map(({ name, revision }) => [name, revision]));
    },
    seeRevision(name, revision) {
      if (revision === undefined) use().prepare("delete from revision where name = ?").run(name);
      else use().prepare("insert or replace into revision values (?, ?)").run(name, revision);
    },
    text: (name) => textOf(use(), name),
    seeText: (name, text) => setText(use(), name, text),
    log: (source) =>
      use().prepare("select timeline, firstLsn, lastLsn from log where source = ? order by timeline").all(source) as unknown as SeenLog[],
    seeLog(source, seen) {
      const insert = use().prepare("insert or replace into log values (?, ?, ?, ?)");
      for (const { timeline, firstLsn, lastLsn } of seen) insert.run(source, timeline, firstLsn, lastLsn);
    },
    jobState(id) {
      const row = use().prepare("select state from job where id = ?").get(id) as { state: SeenJob } | undefined;
      return row?.state;
    },
    jobBegan(id) {
      use().prepare("insert or replace into job values (?, 'running')").run(id);
      // Ids sort by time, so the oldest ended jobs are forgotten.
      use().prepare("delete from job where state = 'ended' and id < (select id from job order by id desc limit 1 offset ?)").run(JOBS);
    },
    jobEnded: (id) => void use().prepare("insert or replace into job values (?, 'ended')").run(id),
    loss(source) {
      const lost = textOf(use(), LOSS);
      return lost === undefined || textOf(use(), acceptanceOf(source)) === lost ? undefined : lost;
    },
    acceptLoss(source) {
      const lost = textOf(use(), LOSS);
      if (lost !== undefined) setText(use(), acceptanceOf(source), lost);
    },
    close: () => opened?.close(),
  };
}

const LOSS = "loss";
const acceptanceOf = (source: string): string => `loss accepted ${source}`;

function textOf(database: DatabaseSync, name: string): string | undefined {
  const row = database.prepare("select text from note where name = ?").get(name) as { text: string } | undefined;
  return row?.text;
}

const setText = (database: DatabaseSync, name: string, text: string): void =>
  void database.prepare("insert or replace into note values (?, ?)").run(name, text);

function openDatabase(path: string): DatabaseSync {
  try {
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(path, { timeout: 10_000 });
    database.exec("pragma journal_mode = wal; pragma synchronous = normal;");
    database.exec(SCHEMA);
    return database;
  } catch (error) {
    if (path === ":memory:") throw error;
    const why = error instanceof Error ? error.message : String(error);
    const database = reopened(path);
    // Every later process must find it, until a person accepts it.
    setText(database, LOSS, `the memory of this repository cannot be read (${path}: ${why})`);
    return database;
  }
}

/** Renames a damaged file; it is never deleted. Where renaming fails, the memory ends with this process. */
function reopened(path: string): DatabaseSync {
  try {
    renameSync(path, `${path}.damaged-${process.pid}`);
    const database = new DatabaseSync(path, { timeout: 10_000 });
    database.exec(SCHEMA);
    return database;
  } catch {
    const database = new DatabaseSync(":memory:");
    database.exec(SCHEMA);
    return database;
  }
}
