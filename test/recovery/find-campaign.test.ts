// Random accidents at random moments of one history, each found by the program on PostgreSQL, Neon, MongoDB and Atlas. When each of them
// happened is known in another way: from the server's own log as the server's own program or driver reads it, or from this process's clock.
// Some accidents are repaired and happen again. LIFEBOAT_TEST_EVERY=1 takes twenty at each place.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Db, MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { drawn } from "../support/accidents.ts";
import { statusOf, until } from "../support/archive.ts";
import { cases, seedOf } from "../support/every.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { mongoWorld } from "../support/oplog.ts";
import { beginWritten, settle, transactionsOf } from "../support/point-in-time.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const KINDS = ["delete", "update", "truncate", "drop"] as const;
type Kind = (typeof KINDS)[number] | "repair" | "touch";

/** When a write took effect, and how the log names what did it; without a name it happened at some time from `from` to `to`. */
interface Written {
  readonly from: string;
  readonly to: string;
  readonly id?: string;
}

/** A change of the value of a check. */
interface Turn extends Written {
  readonly isTrue: boolean;
}

interface Place {
  readonly world: World;
  /** Between instants that this place tells apart. */
  readonly stepMs: number;
  /** Makes the table, whole. */
  create(table: string): Promise<void>;
  write(table: string, kind: Kind): Promise<Written>;
  /** Arguments of the check that a table is whole. */
  check(table: string): readonly string[];
  /** Before the accidents. */
  begin?(): Promise<void>;
  /** After the accidents: what was written can be searched. */
  settle(): Promise<void>;
  /** Makes the log unreadable, where each look is then a restore. */
  deny?(): void;
  assertNothingLeft(): Promise<void>;
}

const ROWS = 20;
const SUM = (ROWS * (ROWS - 1)) / 2;

const statement = (table: string, kind: Kind, id: number): string =>
  ({
    delete: `delete from ${table} where id <= ${id}`,
    update: `update ${table} set n = n + 100 where id = ${id}`,
    truncate: `truncate ${table}`,
    drop: `drop table ${table}`,
    repair: `${created(table)}; insert into ${table} select g, g from generate_series(0, ${ROWS - 1}) g on conflict (id) do update set n = excluded.n`,
    touch: `update ${table} set touched = touched + 1; insert into others values (1)`,
  })[kind];
const created = (table: string): string => `create table if not exists ${table} (id int primary key, n int, touched int default 0)`;
const sqlCheck = (table: string) => ["--check", `select count(*) = ${ROWS} and sum(n) = ${SUM} from ${table}`];

async function writeDocuments(db: Db, table: string, kind: Kind, id: number): Promise<void> {
  const collection = db.collection<{ _id: number; n: number }>(table);
  const all = Array.from({ length: ROWS }, (_none, _id) => _id);
  if (kind === "delete") await collection.deleteMany({ _id: { $lte: id } });
  else if (kind === "update") await collection.updateOne({ _id: id }, { $inc: { n: 100 } });
  else if (kind === "truncate") await db.client.withSession((s) => s.withTransaction(() => collection.deleteMany({}, { session: s })));
  else if (kind === "drop") await collection.drop();
  else if (kind === "touch") await Promise.all([collection.updateOne({ _id: id }, { $inc: { touched: 1 } }), other(db)]);
  else for (const _id of all) await collection.updateOne({ _id }, { $set: { n: _id } }, { upsert: true });
}

const other = (db: Db) => db.collection("others").insertOne({ at: new Date() });
const documentCheck = (table: string) => {
  const ok = { $and: [{ $eq: ["$count", ROWS] }, { $eq: ["$sum", SUM] }] };
  const pipeline = [{ $group: { _id: null, count: { $sum: 1 }, sum: { $sum: "$n" } } }, { $project: { ok } }];
  return ["--collection", table, "--aggregate", JSON.stringify(pipeline)];
};

/** A write, and its entries in the oplog: an accident's first one breaks the check, a repair's last one is what makes it hold again. */
async function writtenToOplog(db: Db, write: () => Promise<void>, isTrue: boolean): Promise<Written> {
  const oplog = db.client.db("local").collection("oplog.rs");
  const [before] = await oplog.find({}, { sort: { $natural: -1 }, limit: 1 }).toArray();
  await write();
  const entries = await oplog.find({ ts: { $gt: before?.ts }, op: { $ne: "n" } }, { sort: { $natural: 1 } }).toArray();
  const entry = isTrue ? entries.at(-1) : entries[0];
  assert.ok(entry, "a write has an entry");
  const at = micros(entry.wall.toISOString());
  const words: Readonly<Record<string, string>> = { i: "insert into", u: "update of", d: "delete from" };
  const [command = ""] = Object.keys(entry.o);
  return { from: at, to: at, id: entry.op === "c" ? `${command} in ${entry.ns.replace(".$cmd", "")}` : `${words[entry.op]} ${entry.ns}` };
}

type Draw = (below: number) => number;

const AT: Readonly<Record<string, (t: TestContext, draw: Draw) => Promise<Place>>> = {
  async PostgreSQL(t, draw) {
    const written = await beginWritten(t);
    const { world, shop, cluster } = written;
    await query(shop, "create table others (n int)");
    const client = await openApplication(shop);
    return {
      world,
      stepMs: 5,
      create: async (table) => void (await query(shop, statement(table, "repair", 0))),
      begin: async () => void (await world.expect(0, "backup", "shop", "--kind", "base")),
      async write(table, kind) {
        await client.query("begin");
        const [first] = await client.query<{ xid: number }>("select txid_current()::int as xid");
        await client.query(statement(table, kind, draw(ROWS)));
        // It keeps its locks while others commit.
        for (let n = draw(4); n > 1; n--) await query(shop, "insert into others values (0)");
        await client.query("commit");
        const ended = transactionsOf(cluster).find(({ xid }) => xid === first?.xid);
        assert.equal(ended?.kind, "COMMIT");
        return { from: ended?.at ?? "", to: ended?.at ?? "", id: `transaction ${first?.xid}` };
      },
      check: sqlCheck,
      async settle() {
        await client.close();
        await settle(written);
      },
      assertNothingLeft: () => world.assertNothingLeft(),
    };
  },
  async Neon(t, draw) {
    const neon = await startRealNeon({ plan: "free" });
    t.after(() => neon.sandbox.close());
    const production = { url: neon.sandbox.url, label: "production" };
    await query(production, "create table others (n int)");
    const world = await beginWorld(t, { sources: {}, neon: { shop: neon.sandbox } });
    const branches = async () => (await neon.expect(200, "GET", "/branches")).branches.length;
    const before = await branches();
    return {
      world,
      stepMs: 1100,
      create: async (table) => void (await query(production, statement(table, "repair", 0))),
      async write(table, kind) {
        const from = micros(new Date().toISOString());
        await query(production, statement(table, kind, draw(ROWS)));
        return { from, to: micros(new Date().toISOString()) };
      },
      check: sqlCheck,
      settle: () => sleep(1500),
      async assertNothingLeft() {
        assert.equal(await branches(), before, "every branch is deleted");
        await world.assertNothingLeft();
      },
    };
  },
  async MongoDB(t, draw) {
    const [source, scratch] = await Promise.all([mongoWorld(t, { noopEveryMs: 500 }), mongoWorld(t)]);
    const db = source.db("shop");
    const world = await beginWorld(t, {
      sources: {},
      mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } },
      source: "policy: pitr, archive: { partialEvery: 1s }",
      yaml: "policies: { pitr: { window: 7d } }\n",
    });
    const databases = async () => (await scratch.client.db().admin().listDatabases()).databases.map(({ name }) => name);
    const [before, archiving] = [await databases(), () => world.start("archive", "shop")];
    let archive: ReturnType<typeof archiving> | undefined;
    return {
      world,
      stepMs: 5,
      create: (table) => writeDocuments(db, table, "repair", 0),
      async begin() {
        await world.expect(0, "backup", "shop");
        archive = archiving();
      },
      write: (table, kind) => writtenToOplog(db, () => writeDocuments(db, table, kind, draw(ROWS)), kind === "repair"),
      check: documentCheck,
      async settle() {
        await other(db);
        const end = new Date().toISOString();
        await until("the window reaches the end", async () => (await statusOf(world)).window?.latest > end);
        archive?.kill("SIGTERM");
        assert.equal((await archive?.ended)?.exit, 0);
      },
      async assertNothingLeft() {
        assert.deepEqual(await databases(), before, "scratch is as it was");
        await world.assertNothingLeft();
      },
    };
  },
  async Atlas(t, draw) {
    const atlas = await startAtlasSandbox({ speed: 10_000, noopEveryMs: 500 });
    const client = new MongoClient(atlas.url, { serverSelectionTimeoutMS: 10_000 });
    t.after(async () => {
      await client.close();
      await atlas.close();
    });
    const db = client.db("shop");
    const env = { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password };
    const world = await beginWorld(t, { sources: {}, atlas: { shop: atlas }, source: "database: shop", env });
    return {
      world,
      stepMs: 1100,
      create: (table) => writeDocuments(db, table, "repair", 0),
      write: (table, kind) => writtenToOplog(db, () => writeDocuments(db, table, kind, draw(ROWS)), kind === "repair"),
      check: documentCheck,
      async settle() {
        await other(db);
        await sleep(1100);
      },
      deny() {
        const effect = { kind: "error", code: 13, message: "not authorized on local to execute command" } as const;
        atlas.clusters()[0]?.server?.faults.next({ command: "find", times: Number.POSITIVE_INFINITY, effect });
      },
      async assertNothingLeft() {
        assert.deepEqual(
          atlas.clusters().map(({ name }) => name),
          [atlas.cluster],
          "every temporary cluster is gone",
        );
        await world.assertNothingLeft();
      },
    };
  },
};

for (const [name, beginAt] of Object.entries(AT)) {
  const needsPostgres = name === "PostgreSQL" || name === "Neon";
  test(`R42 find at ${name} names when each of several random accidents happened, also of those that came back`, {
    skip: needsPostgres && skipWithoutPostgres(),
  }, async (t) => {
    const random = drawn(seedOf(t));
    const draw: Draw = (below) => Math.floor(random() * below);
    const place = await beginAt(t, draw);
    const accidents = Array.from({ length: cases(20, 1) }, (_none, n) => ({
      table: `t${n}`,
      kind: KINDS[draw(KINDS.length)] ?? "delete",
      flaps: draw(4) === 0,
    }));
    for (const { table } of accidents) await place.create(table);
    await place.begin?.();
    await sleep(place.stepMs);
    const start = Date.now();
    const turns = new Map<string, readonly Turn[]>();
    for (const { table, kind, flaps } of accidents) {
      for (let touches = draw(5); touches > 0; touches--) await place.write(table, "touch");
      await sleep(draw(place.stepMs) + 2);
      const own: Turn[] = [{ ...(await place.write(table, kind)), isTrue: false }];
      for (const again of flaps ? (["repair", kind] as const) : []) {
        await sleep(place.stepMs + draw(place.stepMs));
        own.push({ ...(await place.write(table, again)), isTrue: again === "repair" });
      }
      turns.set(table, own);
    }
    await sleep(2 * place.stepMs);
    const end = Date.now();
    await place.settle();
    const between = (from: number, to: number): string => new Date(from + draw(Math.max(1, to - from))).toISOString();
    const search = async (table: string, before?: Turn): Promise<void> => {
      const own = turns.get(table) ?? [];
      const [[first], last] = [own, own.at(-1)];
      assert.ok(first !== undefined && last !== undefined);
      const good = between(start, Date.parse(first.from));
      const [least, most] = before === undefined ? [last, end] : [first, Date.parse(before.from)];
      // Up to now, or to a drawn instant after the accident.
      const bad = before === undefined && draw(2) === 0 ? [] : ["--bad", between(Date.parse(least.to) + place.stepMs, most)];
      const asked = ["find", "shop", ...place.check(table), "--good", good, ...bad, "--json"];
      assertFound(await place.world.run(...asked), before === undefined ? own : [first], asked.join(" "));
    };
    const all = async (title: string, some: typeof accidents): Promise<void> => {
      for (const { table, kind, flaps } of some)
        await t.test(`${title} ${table}: ${kind}${flaps ? ", repaired, and again" : ""}`, async () => {
          await search(table);
          const [, repair] = turns.get(table) ?? [];
          if (repair !== undefined) await search(table, repair);
        });
    };
    await all("accident to", accidents);
    place.deny?.();
    if (place.deny !== undefined) await all("without the log, accident to", accidents.slice(0, cases(5, 0)));
    await place.assertNothingLeft();
  });
}

/** What was found is one of the falls of the check, and all that is said of the check at other times is true. */
function assertFound(ran: Awaited<ReturnType<World["run"]>>, turns: readonly Turn[], asked: string): void {
  const say = `${asked}\n${JSON.stringify(turns)}\n${ran.stderr}${ran.stdout}`;
  assert.ok(ran.exit === 0 || ran.exit === 3, say);
  const found = ran.json();
  const [lastTrue, firstFalse] = [micros(found.lastTrue.at), micros(found.firstFalse.at)];
  const falls = turns.filter(({ isTrue }) => !isTrue);
  const fall = falls.find(({ from, to }) => lastTrue < to && from <= firstFalse);
  assert.ok(fall !== undefined && Date.parse(found.firstFalse.at) - Date.parse(found.lastTrue.at) <= 1000, `the second: ${say}`);
  if (found.changesBetween === null) assert.equal(Date.parse(found.firstFalse.at) - Date.parse(found.lastTrue.at), 1000, say);
  else {
    assert.equal(firstFalse, fall.to, `the instant: ${say}`);
    const shown = found.changesBetween.map(({ id, at }: { id: string; at: string }) => `${id} at ${micros(at)}`);
    assert.ok(shown.includes(`${fall.id} at ${fall.to}`), `the change: ${say}`);
  }
  // A check that broke once is told as exact; of another, every change that was seen did happen, and the last one is the answer.
  if (turns.length === 1) assert.equal(found.flips.length, 1, say);
  assert.deepEqual([ran.exit, found.exact], found.flips.length === 1 ? [0, true] : [3, false], say);
  for (const { afterAt, untilAt, isTrue } of found.flips) {
    assert.notEqual(valueAt(turns, micros(afterAt)), isTrue, say);
    assert.notEqual(valueAt(turns, micros(untilAt)), !isTrue, say);
  }
  assert.deepEqual([found.flips.at(-1).untilAt, found.flips.at(-1).isTrue], [found.firstFalse.at, false], say);
}

/** Undefined: while it changed. */
function valueAt(turns: readonly Turn[], at: string): boolean | undefined {
  const last = turns.findLast(({ from }) => from <= at);
  if (last === undefined) return true;
  return at >= last.to ? last.isTrue : undefined;
}

/** An instant to the microsecond, so that instants compare as text. */
const micros = (at: string): string => `${at.slice(0, 19)}.${at.slice(20, -1).padEnd(6, "0")}Z`;
