// Dumps of a MongoDB server: what they hold, of which instant, and that none that went wrong ever ends.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { promisify } from "node:util";
import { isLifeboatError } from "../../src/core/errors.ts";
import type { Fingerprint } from "../../src/core/fingerprint.ts";
import { ArchiveReader, readPrelude } from "../../src/engines/mongodb/archive/archive.ts";
import { documentsOf } from "../../src/engines/mongodb/bson/bson.ts";
import { openMongo } from "../../src/engines/mongodb/connect/connect.ts";
import { databaseFacts } from "../../src/engines/mongodb/connect/facts.ts";
import { fingerprintSource, fingerprintSourceAt } from "../../src/engines/mongodb/digest/digest.ts";
import { DigestSum } from "../../src/engines/mongodb/digest/sum.ts";
import { beginDump, type DumpMeans } from "../../src/engines/mongodb/dump/dump.ts";
import { openMongoEngine } from "../../src/engines/mongodb/engine.ts";
import { readEntry } from "../../src/engines/mongodb/oplog/entry.ts";
import { scopeOf } from "../../src/engines/mongodb/scope.ts";
import type { DumpInProgress, DumpOptions } from "../../src/ports/dump.ts";
import { fillDataset } from "../support/mongo-dataset.ts";
import { beginMongoWorld, beginWriter, type MongoWorld } from "../support/mongo-world.ts";

const run = promisify(execFile);

interface Asked extends Partial<DumpOptions> {
  readonly database?: string | undefined;
  readonly consistency?: DumpMeans["consistency"];
}

async function begin(world: MongoWorld, { database = "shop", consistency, ...options }: Asked = {}): Promise<DumpInProgress> {
  const connection = { url: world.url(database === "" ? undefined : database), label: "shop" };
  const mongo = await openMongo(connection);
  const scope = scopeOf(connection);
  const facts = await databaseFacts(mongo, scope);
  return await beginDump(mongo, { kind: "full", ...options }, { facts, scope, consistency, toolVersion: "lifeboat" });
}

interface Made {
  readonly dump: DumpInProgress;
  readonly archive: Buffer;
  readonly fingerprint: Fingerprint;
}

async function make(world: MongoWorld, asked: Asked = {}): Promise<Made> {
  const dump = await begin(world, asked);
  try {
    const archive = await bytesOf(dump);
    return { dump, archive, fingerprint: await dump.fingerprint() };
  } finally {
    await dump.end();
  }
}

async function bytesOf(dump: DumpInProgress): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (const part of dump.parts) for await (const chunk of part.bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function printed(world: MongoWorld, database = "shop", wanted: Fingerprint["scope"] = { kind: "full" }): Promise<Fingerprint> {
  const connection = { url: world.url(database === "" ? undefined : database), label: "copy" };
  const mongo = await openMongo(connection);
  try {
    return await fingerprintSource(mongo, wanted, { scope: scopeOf(connection) });
  } finally {
    await mongo.close();
  }
}

/** Count and digest of every namespace of an archive, by the reader that a restore uses. */
function readArchive(archive: Uint8Array): Record<string, { rows: number; digest: string }> {
  const reader = new ArchiveReader();
  const sums: DigestSum[] = [];
  for (let at = 0; at < archive.length; at += 100_000) {
    for (const event of reader.feed(archive.subarray(at, at + 100_000))) {
      sums[event.index] ??= new DigestSum();
      if (event.kind === "documents") sums[event.index]?.addAll(event.documents);
    }
  }
  const { prelude } = reader.end();
  const read: Record<string, { rows: number; digest: string }> = Object.create(null);
  for (const [index, { collection, type }] of prelude.collections.entries()) {
    const sum = sums[index] ?? new DigestSum();
    if (type !== "view") read[collection] = { rows: sum.rows, digest: sum.hex() };
  }
  return read;
}

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "lifeboat-mongo-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const small = async (world: MongoWorld, count = 3000): Promise<void> => {
  const db = world.db();
  await db.collection("users").insertMany(Array.from({ length: count }, (_, n) => ({ n, name: `user ${n}`, text: "x".repeat(n % 300) })));
  await db.collection("users").createIndex({ name: 1 }, { unique: true });
  await db.collection("orders").insertMany(Array.from({ length: 500 }, (_, n) => ({ n })));
  await db.createCollection("recent", { viewOn: "users", pipeline: [{ $match: { n: { $gt: 5 } } }] });
};

test("R27 a dump of all BSON types and kinds of collection holds exactly those documents and fingerprints", async () => {
  await using world = await beginMongoWorld();
  await fillDataset(world.db());
  const { dump, archive, fingerprint } = await make(world);
  assert.equal(dump.consistency, "snapshot");
  const { schema, tables, scope } = await printed(world);
  assert.deepEqual({ ...fingerprint.tables }, { ...tables });
  assert.deepEqual({ ...fingerprint.schema }, { ...schema });
  assert.deepEqual(fingerprint.scope, scope);
  assert.deepEqual({ ...readArchive(archive) }, { ...tables });
  assert.deepEqual(fingerprint.unhashed, []);
  assert.ok(fingerprint.outside.some(({ kind, object }) => kind === "view" && object === "view"));
});

test("R28 a dump under writing is of exactly one instant, the one that it names", async () => {
  await using world = await beginMongoWorld();
  await small(world);
  const writer = beginWriter(world);
  const { dump, fingerprint } = await make(world);
  await writer.end();
  const { endLsn = "" } = dump.logSpan?.() ?? {};
  const [t, i] = endLsn.split("/").map((hex) => Number.parseInt(hex, 16)) as [number, number];
  assert.equal(dump.snapshotAt.getTime(), t * 1000);
  await using past = await beginMongoWorld({ state: world.sandbox.stateAt({ t, i: i - 1 }, "through") });
  assert.deepEqual({ ...(await printed(past)).tables }, { ...fingerprint.tables });
});

test("R28 a live fingerprint at one instant names the position before which everything is in it", async () => {
  await using world = await beginMongoWorld();
  await small(world);
  const writer = beginWriter(world);
  const connection = { url: world.url("shop"), label: "shop" };
  const mongo = await openMongo(connection);
  const found = await fingerprintSourceAt(mongo, { kind: "full" }, { scope: scopeOf(connection) });
  await mongo.close();
  await writer.end();
  const [t, i] = (found?.position ?? "").split("/").map((hex) => Number.parseInt(hex, 16)) as [number, number];
  await using past = await beginMongoWorld({ state: world.sandbox.stateAt({ t, i }, "before") });
  assert.deepEqual({ ...(await printed(past)).tables }, { ...found?.fingerprint.tables });
});

test("R28 without a snapshot the archive includes the oplog of its duration, for this database only", async () => {
  await using world = await beginMongoWorld({ snapshotReads: false });
  await small(world);
  const writer = beginWriter(world);
  const other = beginWriter(world, { database: "other" });
  const { dump, archive } = await make(world);
  await Promise.all([writer.end(), other.end()]);
  assert.equal(dump.consistency, "oplog");
  const reader = new ArchiveReader();
  const entries = reader
    .feed(archive)
    .flatMap((event) =>
      event.kind === "documents" && reader.prelude?.collections[event.index]?.collection === "oplog" ? documentsOf(event.documents) : [],
    )
    .map(readEntry);
  reader.end();
  const { startLsn, endLsn } = dump.logSpan?.() ?? {};
  assert.ok(entries.length > 0 && entries.every(({ ns }) => ns.startsWith("shop.")));
  assert.ok(entries.every(({ stamp }) => stamp >= stampOf(startLsn) && stamp < stampOf(endLsn)));
});

test("R28 loaded and settled, a dump with an oplog is the source at the instant where it ended", async (t) => {
  await using world = await beginMongoWorld({ snapshotReads: false });
  await small(world, 20_000);
  const writer = beginWriter(world);
  const { dump, archive, fingerprint } = await make(world);
  await writer.end();
  const file = join(folder(t), "archive");
  writeFileSync(file, archive);
  await using copy = await beginMongoWorld();
  const target = { url: copy.url("shop"), label: "copy" };
  const engine = openMongoEngine();
  assert.deepEqual((await engine.load(target, file, {})).problems, []);
  assert.deepEqual({ ...(await printed(copy)).tables }, { ...fingerprint.tables });
  const check = await engine.settle?.(target, file, {});
  assert.equal(check?.outcome, "pass", check?.message);
  const end = stampOf(dump.logSpan?.()?.endLsn) - 1n;
  const at = { t: Number(end >> 32n), i: Number(end & 0xffffffffn) };
  await using past = await beginMongoWorld({ state: world.sandbox.stateAt(at, "through") });
  assert.deepEqual({ ...(await printed(copy)).tables }, { ...(await printed(past)).tables });
});

const stampOf = (position = "0/0"): bigint => {
  const [t = "0", i = "0"] = position.split("/");
  return (BigInt(`0x${t}`) << 32n) | BigInt(`0x${i}`);
};

test("R28 servers that cannot read capped collections in a snapshot are dumped with their oplog", async () => {
  await using world = await beginMongoWorld({ version: "7.0.14" });
  await world.db().collection("first").insertOne({ n: 1 });
  const { dump: whole } = await make(world);
  assert.equal(whole.consistency, "snapshot");
  await world.db().createCollection("latest", { capped: true, size: 4096 });
  await world
    .db()
    .collection("latest")
    .insertMany([{ n: 1 }, { n: 2 }]);
  const { dump, fingerprint } = await make(world);
  assert.equal(dump.consistency, "oplog");
  assert.equal(fingerprint.tables.latest?.rows, 2);
  const live = await openMongoEngine().fingerprint({ url: world.url("shop"), label: "shop" }, { kind: "full" });
  assert.deepEqual(live.tables, fingerprint.tables);
  await assert.rejects(begin(world, { consistency: "snapshot" }), { code: "CAPABILITY_MISSING" });
});

test("R28 of a standalone server it says that it is not of one instant", async () => {
  await using world = await beginMongoWorld({ replicaSet: false });
  await small(world);
  const { dump, archive, fingerprint } = await make(world);
  assert.equal(dump.consistency, "none");
  assert.equal(dump.logSpan?.(), undefined);
  assert.deepEqual({ ...readArchive(archive) }, { ...fingerprint.tables });
});

test("R28 a consistency that was asked for and is not offered is refused before anything is read", async () => {
  await using standalone = await beginMongoWorld({ replicaSet: false });
  await using without = await beginMongoWorld({ snapshotReads: false });
  for (const [world, consistency] of [
    [standalone, "snapshot"],
    [standalone, "oplog"],
    [without, "snapshot"],
  ] as const) {
    await assert.rejects(begin(world, { consistency }), { code: "CAPABILITY_MISSING" }, consistency);
  }
});

test("R27 behind routers, where the driver's own cursors are used, the same documents are read", async () => {
  await using world = await beginMongoWorld();
  await small(world);
  const connection = { url: world.url("shop"), label: "shop" };
  const mongo = await openMongo(connection);
  const sharded = { ...mongo, hello: { ...mongo.hello, topology: "sharded" as const } };
  const read = await fingerprintSource(sharded, { kind: "full" }, { scope: scopeOf(connection) });
  await mongo.close();
  assert.deepEqual({ ...read.tables }, { ...(await printed(world)).tables });
});

test("R27 chosen collections, definitions alone, and no backup of kind data", async () => {
  await using world = await beginMongoWorld();
  await small(world);
  const some = await make(world, { kind: "tables", tables: ["user*", "recent"] });
  assert.deepEqual(Object.keys(some.fingerprint.tables), ["users"]);
  assert.deepEqual(some.fingerprint.scope, { kind: "tables", tables: ["recent", "users"] });
  assert.deepEqual(Object.keys(readArchive(some.archive)), ["users"]);
  assert.deepEqual({ ...(await printed(world, "shop", some.fingerprint.scope)).schema }, { ...some.fingerprint.schema });
  await assert.rejects(begin(world, { kind: "tables", tables: ["usres"] }), { code: "TABLE_UNKNOWN", message: /usres/ });

  const bare = await make(world, { kind: "schema" });
  assert.deepEqual(Object.keys(bare.fingerprint.tables), []);
  assert.deepEqual({ ...bare.fingerprint.schema }, { ...(await printed(world)).schema });
  assert.deepEqual(
    Object.values(readArchive(bare.archive)).map(({ rows }) => rows),
    [0, 0],
  );
  await assert.rejects(begin(world, { kind: "data" }), { code: "USAGE" });
});

test("R27 several databases are one archive with qualified collections, without the server's databases", async () => {
  await using world = await beginMongoWorld();
  await small(world, 10);
  await world.db("other").collection("users").insertOne({ n: 1 });
  const { archive, fingerprint, dump } = await make(world, { database: "" });
  assert.deepEqual(Object.keys(fingerprint.tables).sort(), ["other.users", "shop.orders", "shop.users"]);
  const prelude = await readPrelude(chunked(archive));
  assert.deepEqual([...new Set(prelude.collections.map(({ db }) => db))].sort(), ["other", "shop"]);
  assert.ok(dump.notIncluded.some(({ object }) => object === "admin, config, local"));
});

async function* chunked(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

test("R28 users are named as not part of the backup", async () => {
  await using world = await beginMongoWorld({ users: [{ user: "eve", password: "secret" }] });
  await small(world, 10);
  const { dump } = await make(world, { database: "" });
  assert.ok(dump.notIncluded.some(({ kind, object }) => kind.startsWith("user") && object.startsWith("admin")));
});

/** Reads the bytes until something is done to the server, then to their end, which must not come. */
async function failing(world: MongoWorld, asked: Asked, harm: () => Promise<void> | void): Promise<unknown> {
  const dump = await begin(world, asked);
  const fingerprint = dump.fingerprint();
  fingerprint.catch(() => {});
  try {
    let read = 0;
    for await (const _ of dump.parts[0]?.bytes ?? []) if (++read === 2) await harm();
  } catch (error) {
    await assert.rejects(fingerprint, (told: unknown) => told === error, "the fingerprint tells the same cause");
    return error;
  } finally {
    await dump.end();
  }
  assert.fail("the bytes ended although something went wrong");
}

const harms: Readonly<
  Record<string, { readonly asked?: Asked; readonly codes: readonly string[]; harm(world: MongoWorld): Promise<void> | void }>
> = {
  "a connection that breaks": { codes: ["SOURCE_UNREACHABLE"], harm: ({ sandbox }) => sandbox.faults.dropConnections() },
  "a cursor that is killed": { codes: ["SOURCE_CHANGED"], harm: ({ sandbox }) => fault(sandbox, 237) },
  "a cursor that is forgotten": { codes: ["SOURCE_CHANGED"], harm: ({ sandbox }) => fault(sandbox, 43) },
  "a snapshot that is too old": { codes: ["SNAPSHOT_TOO_OLD"], harm: ({ sandbox }) => fault(sandbox, 239) },
  "a primary that steps down": { codes: ["SOURCE_UNREACHABLE"], harm: ({ sandbox }) => fault(sandbox, 11602) },
  "an unknown error": { codes: ["DUMP_FAILED"], harm: ({ sandbox }) => fault(sandbox, 5) },
  "a collection that is dropped": {
    asked: { consistency: "none" },
    codes: ["SOURCE_CHANGED"],
    harm: async (world) => void (await world.db().collection("users").drop()),
  },
  "a collection that is made anew": {
    asked: { consistency: "none" },
    codes: ["SOURCE_CHANGED"],
    async harm(world) {
      await world.db().collection("zebras").drop();
      await world.db().collection("zebras").insertOne({ n: 1 });
    },
  },
  "a collection that is renamed": {
    asked: { consistency: "oplog" },
    codes: ["SOURCE_CHANGED"],
    harm: async (world) => void (await world.db().renameCollection("zebras", "horses")),
  },
};

function fault(sandbox: MongoWorld["sandbox"], code: number): void {
  sandbox.faults.next({ command: /^(find|getMore)$/, db: "shop", times: 100, effect: { kind: "error", code } });
}

for (const [name, { asked = {}, codes, harm }] of Object.entries(harms)) {
  test(`R28 ${name} while a dump is read is an error, and the bytes never end`, async () => {
    await using world = await beginMongoWorld();
    await small(world, 20_000);
    await world
      .db()
      .collection("zebras")
      .insertMany(Array.from({ length: 20_000 }, (_, n) => ({ n, text: "x".repeat(200) })));
    const error = await failing(world, asked, () => harm(world));
    assert.ok(isLifeboatError(error) && codes.includes(error.code), String(error));
  });
}

test("an abort ends a dump at once with its own reason", async () => {
  await using world = await beginMongoWorld();
  await small(world, 20_000);
  const stop = new AbortController();
  const connection = { url: world.url("shop"), label: "shop" };
  const mongo = await openMongo(connection, { signal: stop.signal });
  const scope = scopeOf(connection);
  const facts = await databaseFacts(mongo, scope);
  const dump = await beginDump(mongo, { kind: "full", signal: stop.signal }, { facts, scope, toolVersion: "lifeboat" });
  const reason = new Error("enough");
  await assert.rejects(
    async () => {
      for await (const _ of dump.parts[0]?.bytes ?? []) stop.abort(reason);
    },
    (error: unknown) => error === reason,
  );
  await dump.end();
});

test("a slow reader of the bytes causes at most two batches per collection to be read ahead", async () => {
  await using world = await beginMongoWorld();
  const text = "x".repeat(1000);
  await world
    .db()
    .collection("large")
    .insertMany(Array.from({ length: 12_000 }, (_, n) => ({ n, text })));
  const dump = await begin(world);
  const bytes = dump.parts[0]?.bytes[Symbol.asyncIterator]();
  let taken = 0;
  while (taken < 2_000_000) taken += (await bytes?.next())?.value?.length ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 200));
  const asked = world.sandbox.faults.seen.filter(({ command }) => command === "getMore").length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.equal(world.sandbox.faults.seen.filter(({ command }) => command === "getMore").length, asked);
  assert.ok(asked <= 5, `${asked} batches were asked for, of which about 2 were taken`);
  await dump.end();
  await assert.rejects(dump.fingerprint(), { code: "CANCELLED" });
  assert.ok(
    world.sandbox.faults.seen.some(({ command }) => command === "killCursors"),
    "the cursor was closed",
  );
});

test("a dump can be ended while its server is silent", async () => {
  await using world = await beginMongoWorld();
  await small(world, 20_000);
  world.sandbox.faults.next({ command: "getMore", collection: "users", effect: { kind: "stallBefore" } });
  const dump = await begin(world);
  const reading = bytesOf(dump);
  reading.catch(() => {});
  while (!world.sandbox.faults.seen.some(({ command }) => command === "getMore")) await new Promise((resolve) => setTimeout(resolve, 10));
  await dump.end();
  await assert.rejects(reading, isLifeboatError);
  world.sandbox.faults.clear();
});

const MONGORESTORE = process.env.LIFEBOAT_MONGORESTORE;
const MONGODUMP = process.env.LIFEBOAT_MONGODUMP;

if (MONGORESTORE !== undefined) {
  test("R27 mongorestore brings back from the archive what the fingerprint says", async (t) => {
    await using world = await beginMongoWorld();
    await fillDataset(world.db());
    const { archive, fingerprint } = await make(world);
    const file = join(folder(t), "archive");
    writeFileSync(file, archive);
    await using copy = await beginMongoWorld();
    await run(MONGORESTORE, [`--archive=${file}`, "--uri", copy.url(), "--bypassDocumentValidation"], { maxBuffer: 1e8 });
    const restored = await printed(copy);
    assert.deepEqual({ ...restored.tables }, { ...fingerprint.tables });
    assert.deepEqual({ ...restored.schema }, { ...fingerprint.schema });
  });
}

if (MONGODUMP !== undefined) {
  test("R27 an archive of mongodump's own is read to its end, and holds what the fingerprint says", async (t) => {
    await using world = await beginMongoWorld();
    await fillDataset(world.db());
    const file = join(folder(t), "archive");
    await run(MONGODUMP, [`--archive=${file}`, "--uri", world.url("shop")], { maxBuffer: 1e8 });
    assert.deepEqual({ ...readArchive(readFileSync(file)) }, { ...(await printed(world)).tables });
  });
}
