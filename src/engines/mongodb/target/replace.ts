// Puts a restored database in the place of one that is there, and keeps what it replaces in a database of its own until it is accepted.
//
// A MongoDB server cannot rename a database, and moves a collection between databases by copying it. So there are three stages:
//
// | stage    | what happens                                                                              | after a crash  |
// |----------|-------------------------------------------------------------------------------------------|----------------|
// | staging  | the restored collections move into the database, under names of the job's own             | undone         |
// | swapping | each collection changes places with its successor: two renames within the database        | carried on     |
// | retiring | the replaced collections move to the database that keeps them                             | carried on     |
//
// Only swapping changes what an application sees, and takes milliseconds. A record in the restored database, beside its mark, says what
// the stage is and which collections take part. Every act looks at what is there first, so that it can be repeated after a crash.
//
// What the server cannot rename (time series, stored functions) is copied and compared while staging, and dropped while swapping. Views
// are made anew from their definitions.
import type { Document } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Keeping, Replacement, RestoreTarget } from "../../../ports/restore-target.ts";
import { type MongoSession, withMongo } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";
import { withDatabase } from "../connect/url.ts";
import { digestCollections } from "../digest/digest.ts";
import { describeCollection, listSource, type SourceCollection } from "../dump/collections.ts";
import { MARK_COLLECTION } from "../scope.ts";
import { assertWritten, MAJORITY, markFilling, markWithin } from "./mark.ts";
import { copyInto, dropCollection, moveCollection } from "./move.ts";
import { NAMESPACE_BYTES, occupantsOf } from "./target.ts";

type Stage = "staging" | "swapping" | "retiring";

interface Part {
  readonly name: string;
  /** A restored collection of this name comes. False: the present one only goes. */
  readonly comes: boolean;
}

interface Plan {
  /** The restored database; names of staged collections begin with it. */
  readonly finished: string;
  readonly name: string;
  readonly keep: string;
  readonly mark: string;
  readonly parts: readonly Part[];
}

const NAMESPACE_EXISTS = 48;
const ATTEMPTS = 3;

const comingName = ({ finished }: Plan, index: number): string => `${finished}.new.${index}`;
const leavingName = ({ finished }: Plan, index: number, turn: number): string => `${finished}.old.${index}${turn === 1 ? "" : `.${turn}`}`;

/** What a server moves between databases, and renames within one. */
const isPlain = ({ type, collection }: Pick<SourceCollection, "type" | "collection">): boolean =>
  type === "collection" && !collection.startsWith("system.");

/**
 * Throws before anything is changed where what is there cannot be replaced and kept under that name: CAPABILITY_MISSING for a sharded
 * cluster, RESTORE_TARGET_INVALID for a server without a database, and for names that would become too long.
 */
export async function assertReplaceable({ database, server, connection }: RestoreTarget, keep: string, work: Work): Promise<void> {
  if (database === "") {
    throw new LifeboatError("RESTORE_TARGET_INVALID", `the address of ${server.label} does not say which database is to be replaced`, {
      hint: "put the name of the database into the URL: mongodb://host/name",
    });
  }
  await withMongo(connection, { signal: work.signal, otherwise: "TOOL_FAILED" }, async (session) => {
    if (session.hello.topology === "sharded") {
      throw new LifeboatError("CAPABILITY_MISSING", `a sharded cluster cannot move the collections of ${database} to ${keep}`, {
        hint: "restore into a new name",
      });
    }
    const tooLong = (await present(session, database)).find(
      ({ collection }) => Buffer.byteLength(`${keep}.${collection}`) > NAMESPACE_BYTES,
    );
    if (tooLong === undefined) return;
    const name = `${keep}.${tooLong.collection}`;
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `${database} cannot be kept: the server's limit for ${name} is ${NAMESPACE_BYTES} bytes`,
      {
        hint: "restore into a new name",
      },
    );
  });
}

/**
 * Puts what `finished` holds in the place of what `name` holds, which is kept as `keep` says. `only`: collections that `finished` lacks
 * stay. Returns whether anything was kept. RESTORE_TARGET_NOT_EMPTY when the name to keep it under is taken.
 */
export async function replaceDatabase(session: MongoSession, finished: string, name: string, keep: Keeping): Promise<boolean> {
  const [taken] = await occupantsOf(session, { database: keep.name });
  if (taken !== undefined) throw new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${keep.name} already holds ${taken}`);
  const coming = new Set((await present(session, finished)).map(({ collection }) => collection));
  const old = (await present(session, name)).map(({ collection }) => collection);
  const going = keep.only === true ? [] : old.filter((each) => !coming.has(each));
  const parts = [...[...coming].map((each) => ({ name: each, comes: true })), ...going.map((each) => ({ name: each, comes: false }))];
  const plan = { finished, name, keep: keep.name, mark: keep.mark, parts };
  await enter(session, plan, "staging");
  await markFilling(session, keep.name, keep.mark);
  await stage(session, plan);
  await enter(session, plan, "swapping");
  return await carryOn(session, plan, "swapping");
}

/**
 * After a crash or a failure: undoes a replacement that changed nothing an application sees yet, and carries on one that did. Undefined when
 * the restored database has no record of one with this mark.
 */
export async function endReplacement(
  server: Connection,
  finished: string,
  name: string,
  { keep, signal }: Work & { readonly keep: Keeping },
): Promise<Replacement | undefined> {
  const { mark } = keep;
  return await withMongo(withDatabase(server, undefined), { signal, otherwise: "LOAD_FAILED" }, async (session) => {
    const found = await readRecord(session, finished, mark);
    if (found === undefined || found.plan.name !== name || found.plan.keep !== keep.name) return undefined;
    const { plan, stage } = found;
    if (stage !== "staging") return { outcome: "done", kept: await carryOn(session, plan, stage) };
    for (const staged of await stagedIn(session, plan, "new")) await dropCollection(session, plan.name, staged);
    await dropIfMarked(session, keep.name, mark);
    await session.command(finished, { dropDatabase: 1, writeConcern: MAJORITY });
    return { outcome: "undone", kept: false };
  });
}

async function carryOn(session: MongoSession, plan: Plan, stage: Exclude<Stage, "staging">): Promise<boolean> {
  if (stage === "swapping") {
    for (const [index, part] of plan.parts.entries()) await swap(session, plan, part, index);
    await enter(session, plan, "retiring");
  }
  await retire(session, plan);
  const kept = (await occupantsOf(session, { database: plan.keep })).length > 0;
  if (!kept) await dropIfMarked(session, plan.keep, plan.mark);
  await session.command(plan.finished, { dropDatabase: 1, writeConcern: MAJORITY });
  return kept;
}

/** Brings the restored collections in under names of the job's own, and copies what cannot be renamed to the keeping database. */
async function stage(session: MongoSession, plan: Plan): Promise<void> {
  const { finished, name, parts } = plan;
  const coming = byName(await present(session, finished));
  for (const [index, part] of parts.entries()) {
    const one = coming.get(part.name);
    if (one !== undefined && isPlain(one)) await moveCollection(session, one, { db: name, collection: comingName(plan, index) });
  }
  const old = byName(await present(session, name));
  for (const part of parts) {
    const one = old.get(part.name);
    if (one !== undefined && !isPlain(one)) await keepCopy(session, one, plan.keep);
  }
}

/** One collection, view or series: afterwards its name is that of what was restored, or gone. */
async function swap(session: MongoSession, plan: Plan, { name, comes }: Part, index: number): Promise<void> {
  const { finished, name: db } = plan;
  if (!comes) return await leave(session, plan, name, index);
  const staged = comingName(plan, index);
  if (await isThere(session, db, staged)) {
    // An application may make the collection anew in between: that is kept too.
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      await leave(session, plan, name, index);
      if (await renameWithin(session, db, staged, name)) return;
    }
    throw new LifeboatError("LOAD_FAILED", `${db}.${name} is made anew each time it is replaced`, {
      hint: "stop what writes to it, then run `lifeboat jobs recover`",
    });
  }
  // What cannot be renamed stays in the restored database until it has its place.
  const one = await describeCollection(session, finished, name);
  if (one === undefined) return;
  const half = await describeCollection(session, db, name);
  // One of which no copy was kept while staging is half of what was restored.
  if (half === undefined || isPlain(half)) await leave(session, plan, name, index);
  else await dropCollection(session, db, name);
  await copyInto(session, one, { db, collection: name });
  await dropCollection(session, finished, name);
}

/** What has the name makes way: it is renamed, or dropped when a copy of it is kept. */
async function leave(session: MongoSession, plan: Plan, name: string, index: number): Promise<void> {
  const one = await describeCollection(session, plan.name, name);
  if (one === undefined) return;
  if (!isPlain(one)) {
    if (!(await isThere(session, plan.keep, name))) await keepCopy(session, one, plan.keep);
    return await dropCollection(session, plan.name, name);
  }
  for (let turn = 1; !(await renameWithin(session, plan.name, name, leavingName(plan, index, turn))); turn++);
}

/** Moves what was replaced to the database that keeps it, under its own name; under a number where that is taken. */
async function retire(session: MongoSession, plan: Plan): Promise<void> {
  for (const staged of await stagedIn(session, plan, "old")) {
    const index = Number(staged.slice(`${plan.finished}.old.`.length).split(".")[0]);
    const name = plan.parts[index]?.name ?? staged;
    let free = name;
    for (let turn = 2; await isThere(session, plan.keep, free); turn++) free = `${name}.${turn}`;
    await moveCollection(session, { db: plan.name, collection: staged }, { db: plan.keep, collection: free });
  }
}

/** Copies what cannot be moved, and compares; again when it was written to meanwhile. LOAD_FAILED when it never stands still. */
async function keepCopy(session: MongoSession, one: SourceCollection, keep: string): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    await dropCollection(session, keep, one.collection);
    await copyInto(session, one, { db: keep, collection: one.collection });
    const copied = await describeCollection(session, keep, one.collection);
    if (one.type === "view" || copied === undefined) return;
    const [was, is] = await digestCollections(session, [one, copied], { consistency: "none" });
    if (was?.rows === is?.rows && was?.digest === is?.digest) return;
  }
  throw new LifeboatError("LOAD_FAILED", `${one.db}.${one.collection} was written to each time it was copied to ${keep}`, {
    hint: "stop what writes to it, and repeat the restore",
  });
}

/** False when the name is taken. */
async function renameWithin(session: MongoSession, db: string, from: string, to: string): Promise<boolean> {
  try {
    await session.command("admin", { renameCollection: `${db}.${from}`, to: `${db}.${to}`, writeConcern: MAJORITY });
    return true;
  } catch (error) {
    if (serverCodeOf(error) !== NAMESPACE_EXISTS) throw error;
    return false;
  }
}

/** One write: with the record, the database is no longer one that a clean-up drops as half filled. */
async function enter(session: MongoSession, { finished, name, keep, mark, parts }: Plan, stage: Stage): Promise<void> {
  const record = { _id: "filling", mark, replacement: { name, keep, stage, parts: [...parts] } };
  const updates = [{ q: { _id: "filling" }, u: record, upsert: true }];
  assertWritten(await session.command(finished, { update: MARK_COLLECTION, updates, writeConcern: MAJORITY }), finished);
}

async function readRecord(
  session: MongoSession,
  finished: string,
  mark: string,
): Promise<{ readonly plan: Plan; readonly stage: Stage } | undefined> {
  const reply = await session.command(finished, { find: MARK_COLLECTION, limit: 1, singleBatch: true });
  const [found] = reply.cursor.firstBatch as Document[];
  if (found?.mark !== mark || found.replacement === undefined) return undefined;
  const { name, keep, stage, parts } = found.replacement;
  return { plan: { finished, name, keep, mark, parts }, stage };
}

async function dropIfMarked(session: MongoSession, database: string, mark: string): Promise<void> {
  if ((await markWithin(session, database)) === mark) await session.command(database, { dropDatabase: 1, writeConcern: MAJORITY });
}

/** Of a user's, and under names of the job's own. */
const present = async (session: MongoSession, database: string): Promise<readonly SourceCollection[]> =>
  (await listSource(session, { database }, () => true)).collections;

const isThere = async ({ client }: MongoSession, database: string, name: string): Promise<boolean> =>
  (await client.db(database).listCollections({ name }, { nameOnly: true }).toArray()).length > 0;

/** Returns the names of the staged collections. */
async function stagedIn({ client }: MongoSession, { name, finished }: Plan, side: "new" | "old"): Promise<readonly string[]> {
  const all = await client.db(name).listCollections({}, { nameOnly: true }).toArray();
  return all.map((one) => one.name).filter((each) => each.startsWith(`${finished}.${side}.`));
}

const byName = (all: readonly SourceCollection[]): Map<string, SourceCollection> => new Map(all.map((one) => [one.collection, one]));
