// The contract of the MongoDB engine: with the sandbox always, and with a real server where available.
import assert from "node:assert/strict";
import { createWriteStream } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, suite, test } from "node:test";
import { type Db, MongoClient } from "mongodb";
import type { ErrorCode } from "../../src/core/errors.ts";
import { isLifeboatError } from "../../src/core/errors.ts";
import type { Fingerprint } from "../../src/core/fingerprint.ts";
import { type Check, judge } from "../../src/core/verdict.ts";
import { connectionFromUrl, withDatabase } from "../../src/engines/mongodb/connect/url.ts";
import { openMongoEngine } from "../../src/engines/mongodb/engine.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { DumpOptions } from "../../src/ports/dump.ts";
import type { Engine, LoadOptions } from "../../src/ports/engine.ts";
import { ALL_PARTS, fillDataset } from "../support/mongo-dataset.ts";
import { changeOneField, removeOneDocument } from "../support/mongo-world.ts";

/** A server on which tests may create databases. */
export interface TestServer {
  /** The URL of the server, without a database. */
  readonly url: string;
  /** Parts of the data set that it cannot hold. */
  readonly lacks?: readonly string[];
  close(): Promise<void>;
}

export interface MadeArchive {
  readonly file: string;
  readonly fingerprint: Fingerprint;
}

const rejectsWith = (promise: Promise<unknown>, code: ErrorCode) => assert.rejects(promise, (error) => isLifeboatError(error, code));
const differing = (checks: readonly Check[]): string[] => checks.filter(({ outcome }) => outcome !== "pass").map(({ name }) => name);

export function mongoEngineContract(name: string, begin: () => Promise<TestServer>): void {
  suite(name, { concurrency: false }, () => {
    const mark = `lb${process.pid.toString(36)}${Math.trunc(performance.now() * 1000).toString(36)}`;
    const used = new Set<string>();
    let server: TestServer;
    let client: MongoClient;
    let folder: string;
    let counter = 0;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "lifeboat-mongo-contract-"));
      server = await begin();
      client = new MongoClient(server.url, { serverSelectionTimeoutMS: 10_000, retryWrites: false });
    });
    after(async () => {
      for (const each of used) await client?.db(each).dropDatabase();
      await client?.close();
      await server?.close();
      await rm(folder, { recursive: true, force: true });
    });

    const named = (): string => {
      const made = `${mark}_${counter++}`;
      used.add(made);
      return made;
    };
    const at = (database?: string): Connection => withDatabase(connectionFromUrl(server.url), database);
    const fresh = async (fill: (db: Db) => Promise<unknown>): Promise<string> => {
      const made = named();
      await fill(client.db(made));
      return made;
    };
    const dump = async (engine: Engine, source: Connection, options: Partial<DumpOptions> = {}): Promise<MadeArchive> => {
      const file = join(folder, `${counter++}.archive`);
      const dumping = await engine.beginDump(source, { kind: "full", ...options });
      try {
        for (const part of dumping.parts) await pipeline(part.bytes, createWriteStream(file));
        return { file, fingerprint: await dumping.fingerprint() };
      } finally {
        await dumping.end();
      }
    };
    const load = async (engine: Engine, target: Connection, { file }: MadeArchive, options: LoadOptions = {}): Promise<void> => {
      const loaded = await engine.load(target, file, options);
      assert.deepEqual(loaded.problems, []);
      assert.deepEqual((await loaded.release?.()) ?? [], []);
    };
    const compared = async (
      engine: Engine,
      archive: MadeArchive,
      target: Connection,
      options: LoadOptions = {},
    ): Promise<readonly Check[]> => {
      const { tables, dataOnly } = options;
      const scope = tables === undefined ? archive.fingerprint.scope : { kind: "tables" as const, tables };
      return engine.compare(archive.fingerprint, await engine.fingerprint(target, scope), { tables, dataOnly });
    };
    /** A small database with one of each kind of object that can differ. */
    const fillSmall = async (db: Db): Promise<void> => {
      await fillDataset(db, {
        only: ["plain", "validated", "views", "indexed", "capped", "timeSeries"].filter((part) => !server.lacks?.includes(part)),
      });
      await db
        .collection<{ _id: number; n: number; at: Date }>("users")
        .insertMany(Array.from({ length: 50 }, (_, n) => ({ _id: n, n: 2 * n, at: new Date(Date.UTC(2026, 0, 1) + n * 60_000) })));
      await db.collection("users").createIndex({ n: 1 }, { unique: true, name: "by_n" });
    };

    test("R27 R28 every BSON type, every kind of collection and index, and odd names come back equal", async () => {
      const engine = openMongoEngine();
      const source = await fresh((db) => fillDataset(db, { only: ALL_PARTS.filter((part) => !server.lacks?.includes(part)) }));
      const archive = await dump(engine, at(source));
      const target = await engine.createDatabase(at(), named(), { like: archive.file });
      await load(engine, target, archive);
      const checks = await compared(engine, archive, target);
      assert.deepEqual(differing(checks), []);
      assert.equal(judge(checks).verdict, "pass");
    });

    test("R27 several databases come back under their own names, and a failed restore of them can be dropped", async () => {
      const names = [await fresh(fillSmall), await fresh((db) => fillDataset(db, { only: ["plain"] }))].sort();
      const engine = openMongoEngine({ databases: names });
      const archive = await dump(engine, at());
      await rejectsWith(engine.createDatabase(at(), "", { like: archive.file }), "RESTORE_TARGET_NOT_EMPTY");
      await rejectsWith(engine.createDatabase(at(), named(), { like: archive.file }), "RESTORE_TARGET_INVALID");
      for (const each of names) await client.db(each).dropDatabase();

      const target = await engine.createDatabase(at(), "", { mark: "job 1", like: archive.file });
      await rejectsWith(engine.createDatabase(at(), "", { like: archive.file }), "RESTORE_TARGET_NOT_EMPTY");
      const broken = { ...archive, file: join(folder, "broken.archive") };
      const whole = await readFile(archive.file);
      await writeFile(broken.file, whole.subarray(0, whole.length - 30));
      await rejectsWith(load(engine, target, broken), "INTEGRITY");
      const everything = engine.resolveTarget(undefined, at().url);
      assert.notDeepEqual((await engine.stateOf(everything)).occupants, []);
      assert.equal(await engine.dropDatabase(at(), "", { mark: "job 1" }), "removed");
      assert.deepEqual((await engine.stateOf(everything)).occupants, []);

      const again = await engine.createDatabase(at(), "", { mark: "job 1", like: archive.file });
      await load(engine, again, archive);
      const checks = await compared(engine, archive, again);
      assert.deepEqual(differing(checks), []);
      assert.deepEqual(
        checks.filter(({ name: check }) => check.endsWith(".users")).map(({ outcome }) => outcome),
        ["pass"],
      );
      await engine.takeName(at(), "", "");
      assert.equal(await engine.dropDatabase(at(), "", { mark: "job 1" }), "absent");
      assert.equal((await engine.stateOf(everything)).exists, true, "a finished restore has no mark");
      for (const each of names) assert.equal(await engine.dropDatabase(at(), each, { mark: "job 1" }), "absent");
    });

    test("R27 chosen collections of one of several databases go into a database of another name", async () => {
      const names = [await fresh(fillSmall), await fresh((db) => fillDataset(db, { only: ["plain"] }))];
      const engine = openMongoEngine({ databases: names });
      const archive = await dump(engine, at());
      const tables = [`${names[0]}.users`, `${names[0]}.v*`];
      const target = await engine.createDatabase(at(), named(), { like: archive.file, tables });
      await load(engine, target, archive, { tables });
      const checks = await compared(engine, archive, target, { tables });
      assert.deepEqual(differing(checks), []);
      assert.ok(checks.some(({ name: check }) => check === `documents of ${names[0]}.users`));
    });

    test("R17 one changed field, one missing document, a lost index and a changed rule are each caught", async () => {
      const engine = openMongoEngine();
      const archive = await dump(engine, at(await fresh(fillSmall)));
      const damaged = async (damage: (db: Db) => Promise<unknown>): Promise<string[]> => {
        const copy = named();
        const target = await engine.createDatabase(at(), copy, { like: archive.file });
        await load(engine, target, archive);
        await damage(client.db(copy));
        const checks = await compared(engine, archive, target);
        assert.equal(judge(checks).verdict, "fail");
        return differing(checks);
      };
      assert.deepEqual(await damaged((db) => changeOneField(db, "users")), ["documents of users"]);
      assert.deepEqual(await damaged((db) => removeOneDocument(db, "users")), ["documents of users"]);
      assert.deepEqual(await damaged((db) => db.collection("users").dropIndex("by_n")), ["definition of index users by_n"]);
      assert.deepEqual(await damaged((db) => db.command({ collMod: "users", validator: { n: { $gte: 0 } } })), [
        "definition of validator users",
      ]);
      assert.deepEqual(await damaged((db) => db.createCollection("extra")), [
        "documents of extra",
        "definition of collection extra",
        "definition of index extra _id_",
      ]);
    });

    test("R22 a load that would meet what is there already is refused before anything is touched", async () => {
      const engine = openMongoEngine();
      const archive = await dump(engine, at(await fresh(fillSmall)));
      const occupied = await fresh((db) => db.collection("users").insertOne({ mine: true }));
      await rejectsWith(engine.load(at(occupied), archive.file, {}), "RESTORE_TARGET_NOT_EMPTY");
      await rejectsWith(engine.createDatabase(at(), occupied, { like: archive.file }), "RESTORE_TARGET_NOT_EMPTY");
      await rejectsWith(engine.load(at(named()), archive.file, { tables: ["usres"] }), "TABLE_UNKNOWN");
      assert.deepEqual(
        await client
          .db(occupied)
          .listCollections({}, { nameOnly: true })
          .map(({ name: each }) => each)
          .toArray(),
        ["users"],
      );
      assert.equal(await client.db(occupied).collection("users").countDocuments({ mine: true }), 1);
    });

    test("R27 a damaged archive is not loaded as if it were whole", async () => {
      const engine = openMongoEngine();
      const { file } = await dump(engine, at(await fresh(fillSmall)));
      const bytes = await readFile(file);
      const cut = join(folder, "cut.archive");
      await writeFile(cut, bytes.subarray(0, bytes.length - 20));
      await rejectsWith(engine.load(at(named()), cut, {}), "INTEGRITY");
      const flipped = Buffer.from(bytes);
      flipped[flipped.lastIndexOf("doc")] = 0x44;
      flipped[Math.trunc(bytes.length * 0.7)] = (flipped[Math.trunc(bytes.length * 0.7)] ?? 0) ^ 1;
      await writeFile(cut, flipped);
      await rejectsWith(engine.load(at(named()), cut, {}), "INTEGRITY");
    });

    test("R22 chosen collections take the place of those that are there, which are kept, and others stay", async () => {
      const engine = openMongoEngine();
      const source = await fresh(fillSmall);
      const archive = await dump(engine, at(source));
      await removeOneDocument(client.db(source), "users");
      await client.db(source).collection("users").dropIndexes();
      await client.db(source).collection("other").insertOne({ mine: true });
      const [tables, finished, kept] = [["user?"], named(), named()];
      const target = await engine.createDatabase(at(), finished, { like: archive.file, tables });
      await load(engine, target, archive, { tables });
      assert.equal(await engine.takeName(at(), finished, source, { keep: { name: kept, mark: "job 1", only: true } }), true);
      const checks = await compared(engine, archive, at(source), { tables });
      assert.deepEqual(differing(checks), []);
      assert.ok(checks.some(({ name: check }) => check === "documents of users"));
      assert.equal(await client.db(source).collection("other").countDocuments(), 1);
      assert.deepEqual((await engine.stateOf(engine.resolveTarget(at(), kept))).occupants, ["users"]);
      assert.equal(await client.db(kept).collection("users").countDocuments(), 49);
    });

    test("R22 documents alone are loaded into existing collections; refused and missing ones are named", async () => {
      const engine = openMongoEngine();
      const source = await fresh(fillSmall);
      const archive = await dump(engine, at(source), { kind: "tables", tables: ["users"] });
      await client.db(source).collection("users").deleteMany({});
      await load(engine, at(source), archive, { dataOnly: true });
      assert.deepEqual(differing(await compared(engine, archive, at(source), { dataOnly: true })), []);
      const again = await engine.load(at(source), archive.file, { dataOnly: true });
      assert.match(again.problems.join("\n"), /50 documents of .*users were refused: .*duplicate/i);
      const elsewhere = await engine.load(at(await fresh((db) => db.createCollection("a"))), archive.file, { dataOnly: true });
      assert.match(elsewhere.problems.join("\n"), /users is not there/);
    });

    test("R22 documents alone replace those of a collection, whose present definition stays", async () => {
      const engine = openMongoEngine();
      const source = await fresh(fillSmall);
      const archive = await dump(engine, at(source), { kind: "tables", tables: ["users"] });
      await client.db(source).collection("users").dropIndexes();
      await client.db(source).collection("users").createIndex({ n: -1 }, { name: "new" });
      await removeOneDocument(client.db(source), "users");
      const [finished, kept] = [named(), named()];
      const target = await engine.createDatabase(at(), finished, { like: archive.file });
      await load(engine, target, archive, { dataOnly: true, definitionsOf: at(source) });
      await engine.takeName(at(), finished, source, { keep: { name: kept, mark: "job 1", only: true } });
      assert.deepEqual(differing(await compared(engine, archive, at(source), { dataOnly: true })), []);
      const indexes = async (db: string) => (await client.db(db).collection("users").indexes()).map(({ name: each }) => each).sort();
      assert.deepEqual(await indexes(source), ["_id_", "new"]);
      assert.deepEqual(await indexes(kept), ["_id_", "new"]);
      assert.equal(await client.db(kept).collection("users").countDocuments(), 49);
    });

    test("R22 a restored database takes the name of one that is there, which is kept with all it held", async () => {
      const engine = openMongoEngine();
      const source = await fresh((db) => fillDataset(db, { only: ALL_PARTS.filter((part) => !server.lacks?.includes(part)) }));
      const archive = await dump(engine, at(source));
      const [finished, kept] = [named(), named()];
      await load(engine, await engine.createDatabase(at(), finished, { like: archive.file }), archive);
      await client.db(source).collection("added").insertOne({ later: true });
      await client.db(source).createCollection("a view of the old", { viewOn: "added", pipeline: [] });
      const before = await dump(engine, at(source));
      assert.equal(await engine.takeName(at(), finished, source, { keep: { name: kept, mark: "job 1" } }), true);
      assert.deepEqual(differing(await compared(engine, archive, at(source))), []);
      assert.deepEqual(differing(await compared(engine, before, at(kept))), []);
      assert.equal((await engine.stateOf(engine.resolveTarget(at(), finished))).exists, false);
      await rejectsWith(engine.dropDatabase(at(), kept, { mark: "job 2" }), "SCRATCH_FAILED");
      assert.equal(await engine.dropDatabase(at(), kept, { mark: "job 1" }), "removed");
    });

    test("R22 what could not be kept is refused before anything is made: a name too long, a taken name", async () => {
      const engine = openMongoEngine();
      const [source, kept] = [await fresh(fillSmall), await fresh(fillSmall)];
      const place = engine.resolveTarget(at(), source);
      await engine.assertReplaceable?.(place, named());
      const archive = await dump(engine, at(source));
      const finished = named();
      await load(engine, await engine.createDatabase(at(), finished, { like: archive.file }), archive);
      await rejectsWith(engine.takeName(at(), finished, source, { keep: { name: kept, mark: "job 1" } }), "RESTORE_TARGET_NOT_EMPTY");
      await client.db(source).createCollection("c".repeat(200));
      await rejectsWith(engine.assertReplaceable?.(place, "k".repeat(60)) ?? Promise.resolve(), "RESTORE_TARGET_INVALID");
    });

    test("R32 collections, counts, newest documents, indexes and aggregations are probed; empty never passes", async () => {
      const engine = openMongoEngine();
      const source = await fresh(fillSmall);
      await client.db(source).createCollection("nothing");
      const asOf = new Date(Date.UTC(2026, 0, 1, 0, 50));
      const outcomes = async (...probes: Parameters<Engine["probe"]>[1]): Promise<string[]> =>
        (await engine.probe(at(source), probes, asOf)).map(({ outcome }) => outcome);
      assert.deepEqual(
        await outcomes({ table: "users", rows: { min: 50, max: 50 }, newest: "at", withinMs: 120_000, indexes: { min: 2 } }),
        ["pass", "pass", "pass", "pass"],
      );
      assert.deepEqual(await outcomes({ table: "users", rows: { min: 51 }, newest: "at", withinMs: 1000, indexes: { min: 9 } }), [
        "pass",
        "fail",
        "fail",
        "fail",
      ]);
      assert.deepEqual(await outcomes({ table: "usres", rows: { min: 1 } }), ["fail"]);
      assert.deepEqual(await outcomes({ table: "nothing", rows: { min: 0 }, newest: "at" }), ["pass", "inconclusive", "inconclusive"]);
      const ask = (aggregate: string) => outcomes({ collection: "users", aggregate });
      assert.deepEqual(await ask('[{"$group":{"_id":null,"n":{"$sum":1}}},{"$project":{"ok":{"$eq":["$n",50]}}}]'), ["pass"]);
      assert.deepEqual(await ask('[{"$group":{"_id":null,"n":{"$sum":1}}},{"$project":{"ok":{"$eq":["$n",51]}}}]'), ["fail"]);
      assert.deepEqual(await ask('[{"$match":{"n":-1}},{"$project":{"ok":{"$literal":true}}}]'), ["inconclusive"]);
      assert.deepEqual(await ask('[{"$limit":1}]'), ["inconclusive"]);
      assert.deepEqual(await ask('[{"$out":"stolen"}]'), ["inconclusive"]);
      assert.deepEqual(await ask("[{"), ["inconclusive"]);
      assert.equal((await client.db(source).listCollections({ name: "stolen" }).toArray()).length, 0);
    });

    test("R27 a restore never takes its own source for another database", async () => {
      const engine = openMongoEngine();
      const [one, two] = [named(), named()];
      await engine.assertSeparate(at(one), at(two));
      await rejectsWith(engine.assertSeparate(at(one), at(one)), "SOURCE_WRITE_REFUSED");
      await rejectsWith(engine.assertSeparate(at(one), at(one.toUpperCase())), "SOURCE_WRITE_REFUSED");
      await rejectsWith(engine.assertSeparate(at(one), at()), "SOURCE_WRITE_REFUSED");
      await rejectsWith(engine.assertSeparate(at(), at(two)), "SOURCE_WRITE_REFUSED");
      await openMongoEngine({ databases: [one] }).assertSeparate(at(), at(two));
    });

    test("R27 what a source is, is told before anything is read from it", async () => {
      const engine = openMongoEngine();
      const source = await fresh(fillSmall);
      const facts = await engine.inspect(at(source));
      assert.match(facts.serverVersion, /^\d+\.\d+/);
      assert.match(facts.tool, /^mongodb driver \d+\.\d+\.\d+$/);
      assert.ok(facts.sizeBytes > 0 && facts.tables > 5);
      assert.equal(facts.identity, (await engine.inspect(at(source))).identity);
      assert.notEqual(facts.identity, (await engine.inspect(at(named()))).identity);
    });

    test("R27 only the job's own unfinished database is dropped, and a missing one is not an error", async () => {
      const engine = openMongoEngine();
      const filling = named();
      await engine.createDatabase(at(), filling, { mark: "job 1" });
      await client.db(filling).collection("users").insertOne({ n: 1 });
      assert.deepEqual((await engine.stateOf(engine.resolveTarget(at(), filling))).occupants, ["users"]);
      await rejectsWith(engine.dropDatabase(at(), filling, { mark: "job 2" }), "SCRATCH_FAILED");
      assert.equal(await engine.dropDatabase(at(), filling, { mark: "job 1" }), "removed");
      assert.equal(await engine.dropDatabase(at(), filling, { mark: "job 1" }), "absent");
      assert.equal((await engine.stateOf(engine.resolveTarget(at(), filling))).exists, false);
      const finished = named();
      await engine.createDatabase(at(), finished, { mark: "job 1" });
      await engine.takeName(at(), finished, finished);
      for (const theirs of [await fresh(fillSmall), finished]) {
        const before = await engine.stateOf(engine.resolveTarget(at(), theirs));
        assert.equal(await engine.dropDatabase(at(), theirs, { mark: "job 1" }), "absent");
        assert.deepEqual(await engine.stateOf(engine.resolveTarget(at(), theirs)), before);
      }
      for (const own of ["admin", "local", "config"])
        await rejectsWith(engine.dropDatabase(at(), own, { mark: "job 1" }), "RESTORE_TARGET_INVALID");
      assert.throws(() => engine.resolveTarget(at(), "admin"), /database of the server itself/);
    });

    test("R27 documents that are due are kept until the copy has been compared, and expiry is then as it was", async () => {
      const engine = openMongoEngine();
      const source = await fresh(async (db) => {
        await db.collection("sessions").createIndex({ at: 1 }, { expireAfterSeconds: 3600, name: "expiry" });
        await db.collection("sessions").insertOne({ at: new Date(Date.now() - 3_500_000) });
      });
      const archive = await dump(engine, at(source));
      const copy = named();
      const target = await engine.createDatabase(at(), copy, { like: archive.file });
      const { problems, release } = await engine.load(target, archive.file, {});
      assert.deepEqual(problems, []);
      const expiry = async () =>
        (await client.db(copy).collection("sessions").indexes()).find((each) => each.name === "expiry")?.expireAfterSeconds;
      assert.ok(Number(await expiry()) > 2e9);
      const actual = await engine.fingerprint(target, archive.fingerprint.scope);
      assert.deepEqual(differing(engine.compare(archive.fingerprint, actual, { held: {} })), []);
      assert.deepEqual(differing(engine.compare(archive.fingerprint, actual)), ["definition of index sessions expiry"]);
      assert.deepEqual(await release?.(), []);
      assert.equal(await expiry(), 3600);
      assert.deepEqual(differing(await compared(engine, archive, target)), []);
    });
  });
}
