// Random accidents to public data sets as documents, merged back by the program on MongoDB and Atlas: the result equals an expectation that is
// computed in another way, other writes survive, and an undo returns to the exact fingerprint. LIFEBOAT_TEST_EVERY=1 takes twenty seeds of each.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "mongodb";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { differing, drawn, shapeOf, stateOf } from "../support/accidents.ts";
import {
  beginDocumentWriter,
  documentAccident,
  documentsOf,
  expectedDocuments,
  loadDocuments,
  WRITTEN,
} from "../support/document-accidents.ts";
import { cases, seedOf } from "../support/every.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { mongoWorld } from "../support/oplog.ts";
import { dataSet, freshDatabase, loadSql, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type Ran, type World } from "../support/program.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();

/** The collection that other clients write to meanwhile, and the document that they change. */
const WRITTEN_TO: Readonly<Record<string, { readonly name: string; readonly id: string }>> = {
  "chinook.sql": { name: "Artist", id: "1" },
  "pagila.sql": { name: "actor", id: "1" },
};

interface Live extends World {
  readonly db: Db;
  /** Names the present state: a recovery target. */
  mark(): Promise<string>;
}

const AT: Readonly<Record<string, (t: TestContext) => Promise<Live>>> = {
  async MongoDB(t) {
    const [source, scratch] = await Promise.all([mongoWorld(t), mongoWorld(t)]);
    const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } } });
    const mark = async () => (await world.expect(0, "backup", "shop", "--json")).json().made[0].id;
    return { ...world, db: source.db("shop"), mark };
  },
  async Atlas(t) {
    const atlas = await startAtlasSandbox({ speed: 10_000 });
    const client = new MongoClient(atlas.url, { serverSelectionTimeoutMS: 10_000 });
    t.after(async () => {
      await client.close();
      await atlas.close();
    });
    const env = { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password };
    const source = "database: shop, checks: [{ collection: Artist, rows: { min: 1 } }]";
    const world = await beginWorld(t, { sources: {}, atlas: { shop: atlas }, source, env });
    const mark = async () => {
      await sleep(1_050 - (Date.now() % 1_000));
      const at = new Date(Math.floor(Date.now() / 1_000) * 1_000).toISOString();
      await sleep(100);
      return at;
    };
    return { ...world, db: client.db("shop"), mark };
  },
};

for (const [provider, begin] of Object.entries(AT)) {
  test(`R10 random accidents to documents at ${provider} are merged back under concurrent writes, and undone`, { skip }, async (t) => {
    const seed = seedOf(t);
    for (const name of cases(2, 1) === 1 ? ["chinook.sql"] : ["chinook.sql", "pagila.sql"]) {
      const file = dataSet(name);
      if (!need(t, `../shared/data/postgres/${name}`, file) || file === undefined) return;
      const tables = await freshDatabase();
      await loadSql(tables, file);
      const live = await begin(t);
      await loadDocuments(live.db, await stateOf(tables, await shapeOf(tables)), cases(Number.POSITIVE_INFINITY, 100));
      const to = await live.mark();
      const then = await documentsOf(live.db);
      const written = WRITTEN_TO[name];
      assert.ok(written);
      for (let n = 0; n < cases(20, 1); n++) {
        const say = `seed ${seed + n} of ${name}`;
        t.diagnostic(say);
        const chosen = await documentAccident(live.db, drawn(seed + n));
        const merge = (...more: string[]) => ["restore", "shop", "--to", to, "--merge", "--yes", "shop", "--json", ...more];
        const [before, printed] = [await documentsOf(live.db), await fingerprintOf(live.db)];
        const stop: (() => Promise<number>) | undefined = n % 2 === 1 ? beginDocumentWriter(live.db, written.name, written.id) : undefined;
        const isWritten = (table: string, key: string): boolean =>
          stop !== undefined && table === written.name && (key === written.id || key.startsWith(WRITTEN));
        const ran: Ran = await live.run(...merge("--tables", chosen.join()));
        const merged = ran.json();
        // The document that the writer changes may be one that the accident hit: then it is left alone, and the merge says so.
        const leftAlone: string[] = [`collection ${written.name}: 1 document changed since the comparison and left alone`];
        if (stop !== undefined && ran.exit === 3) assert.deepEqual(merged.reasons, leftAlone, say);
        else assert.equal(ran.exit, 0, ran.stderr);
        const inserted: number | undefined = await stop?.();
        assert.deepEqual(
          differing(await documentsOf(live.db), expectedDocuments(then, before, chosen), isWritten),
          [],
          `${say}: merged ${chosen}`,
        );
        const count = await live.db.collection<{ _id: string }>(written.name).countDocuments({ _id: { $regex: `^${WRITTEN}` } });
        assert.equal(count, inserted ?? 0, `${say}: documents of others stay`);
        if (merged.next.length > 0) await live.expect(0, "undo", merged.job, "--yes", "shop", "--json");
        if (stop === undefined) assert.deepEqual(await fingerprintOf(live.db), printed, `${say}: undone`);
        else assert.deepEqual(differing(await documentsOf(live.db), before, isWritten), [], `${say}: undone`);
        // The next accident happens to the whole data.
        await live.expect(0, ...merge("--tables", [...then.keys()].join(), "--delete-extra"));
        assert.deepEqual(differing(await documentsOf(live.db), then), [], `${say}: all collections merged`);
      }
      await live.assertNothingLeft();
    }
  });
}
