// Random accidents to public data sets as documents, merged back by the program on MongoDB and Atlas: the result equals an expectation that is
// computed in another way, other writes survive, and an undo returns to the exact fingerprint. LIFEBOAT_TEST_EVERY=1 takes twenty seeds of each.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Db } from "mongodb";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { differing, drawn, type State, shapeOf, stateOf } from "../support/accidents.ts";
import {
  beginDocumentWriter,
  type DocumentWriter,
  documentAccident,
  documentsOf,
  expectedDocuments,
  loadDocuments,
  WRITTEN,
} from "../support/document-accidents.ts";
import { cases, forSeeds, skipUnlessEvery } from "../support/every.ts";
import { fingerprintOf } from "../support/mongo-fingerprint.ts";
import { mongoWorld } from "../support/oplog.ts";
import { dataSet, freshDatabase, loadSql, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();

interface Written {
  readonly name: string;
  readonly id: string;
}

/** The collection that other clients write to meanwhile, and the document that they change. */
const WRITTEN_TO: Readonly<Record<string, Written>> = {
  "chinook.sql": { name: "Artist", id: "1" },
  "pagila.sql": { name: "actor", id: "1" },
};

interface Live extends World {
  readonly db: Db;
  /** Names the present state: a recovery target. */
  mark(): Promise<string>;
}

const AT: Readonly<Record<string, (t: TestContext, collection: string) => Promise<Live>>> = {
  async MongoDB(t) {
    const [source, scratch] = await Promise.all([mongoWorld(t), mongoWorld(t)]);
    const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop"), scratch: scratch.url("scratch") } } });
    const mark = async () => (await world.expect(0, "backup", "shop", "--json")).json().made[0].id;
    return { ...world, db: source.db("shop"), mark };
  },
  async Atlas(t, collection) {
    const atlas = await startAtlasSandbox({ speed: 10_000 });
    const client = new MongoClient(atlas.url, { serverSelectionTimeoutMS: 10_000 });
    t.after(async () => {
      await client.close();
      await atlas.close();
    });
    const env = { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password };
    const source = `database: shop, checks: [{ collection: ${collection}, rows: { min: 1 } }]`;
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

for (const [provider, begin] of Object.entries(AT))
  for (const [name, written] of Object.entries(WRITTEN_TO)) {
    const skipped = skip || (name === "chinook.sql" ? false : skipUnlessEvery);
    test(`R10 random accidents to ${name} at ${provider} are merged back under concurrent writes, and undone`, {
      skip: skipped,
    }, async (t) => {
      const file = dataSet(name);
      if (!need(t, `../shared/data/postgres/${name}`, file) || file === undefined) return;
      const tables = await freshDatabase();
      await loadSql(tables, file);
      const live = await begin(t, written.name);
      const stored = await stateOf(tables, await shapeOf(tables));
      const load = () => loadDocuments(live.db, stored, cases(Number.POSITIVE_INFINITY, 100));
      await load();
      const to = await live.mark();
      const then = await documentsOf(live.db);
      let isWhole = true;
      await forSeeds(t, 20, 1, async (seed) => {
        if (!isWhole) {
          await live.db.dropDatabase();
          await load();
        }
        isWhole = false;
        await mergedAndUndone(live, seed, to, then, written);
        isWhole = true;
      });
      await live.assertNothingLeft();
    });
  }

/** One accident, merged back and undone; afterwards the data is whole. */
async function mergedAndUndone(live: Live, seed: number, to: string, then: State, written: Written): Promise<void> {
  const chosen = await documentAccident(live.db, drawn(seed));
  const say = `of ${chosen}`;
  const merge = (...more: string[]) => ["restore", "shop", "--to", to, "--merge", "--yes", "shop", "--json", ...more];
  const [before, printed] = [await documentsOf(live.db), await fingerprintOf(live.db)];
  const writer: DocumentWriter | undefined = seed % 2 === 1 ? beginDocumentWriter(live.db, written.name, written.id) : undefined;
  const isWritten = (table: string, key: string): boolean =>
    writer !== undefined && table === written.name && (key === written.id || key.startsWith(WRITTEN));
  const ran = await live.run(...merge("--tables", chosen.join()));
  const inserted = (await writer?.stop()) ?? 0;
  // The writer changes its document at any time: it is brought back, or seen to have changed, left alone and named.
  const isLeftAlone = ran.exit === 3 && writer !== undefined && chosen.includes(written.name);
  assert.equal(ran.exit, isLeftAlone ? 3 : 0, `${say}: ${ran.stderr}${ran.stdout}`);
  const merged = ran.json();
  if (isLeftAlone) assert.deepEqual(merged.reasons, [`collection ${written.name}: 1 document changed since the comparison and left alone`]);
  const expected = expectedDocuments(then, before, chosen);
  const after = await documentsOf(live.db);
  assert.deepEqual(differing(after, expected, isWritten), [], `${say}: merged`);
  const ids = [...(after.get(written.name)?.keys() ?? [])].filter((id) => id.startsWith(WRITTEN));
  assert.equal(ids.length, inserted, `${say}: documents of others stay`);
  const own = (state: State) => state.get(written.name)?.get(written.id);
  if (writer !== undefined)
    assert.equal(own(after), withWritten(own(isLeftAlone ? before : expected), inserted), `${say}: the writer's document`);
  if (merged.next.length > 0) {
    const undone = await live.run("undo", merged.job, "--yes", "shop", "--json");
    // A document that was brought back and then changed by the writer is left alone in its turn.
    const isLeft = undone.exit === 3 && writer !== undefined && chosen.includes(written.name) && !isLeftAlone;
    assert.equal(undone.exit, isLeft ? 3 : 0, `${say}: ${undone.stderr}${undone.stdout}`);
    const left = undone.json().tables.filter(({ changedSince }: { changedSince: number }) => changedSince > 0);
    const named = left.map(({ table, changedKeys }: { table: string; changedKeys: string[] }) => [table, changedKeys]);
    assert.deepEqual(named, isLeft ? [[written.name, [written.id]]] : [], say);
  }
  const last = await documentsOf(live.db);
  if (writer === undefined) assert.deepEqual(await fingerprintOf(live.db), printed, `${say}: undone`);
  else {
    assert.deepEqual(differing(last, before, isWritten), [], `${say}: undone`);
    assert.equal(own(last), own(after), `${say}: the writer's document is not undone`);
  }
  // The next accident happens to the whole data.
  await live.expect(0, ...merge("--tables", [...then.keys()].join(), "--delete-extra"));
  assert.deepEqual(differing(await documentsOf(live.db), then), [], `${say}: all collections merged`);
}

/** The document as the writer leaves it after its last write. */
function withWritten(document: string | undefined, times: number): string | undefined {
  return document === undefined ? undefined : JSON.stringify({ ...JSON.parse(document), w: { $numberInt: String(times) } });
}
