// Random accidents to public data sets, merged back: the result equals an expectation that is computed in another way, other writes survive,
// and an undo returns to the exact fingerprint. LIFEBOAT_TEST_EVERY=1 takes twenty seeds of each.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { openPostgresEngine } from "../../src/engines/postgres/engine.ts";
import { beginMerge, beginUndo } from "../../src/engines/postgres/merge/merge.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { Merging } from "../../src/ports/merge.ts";
import { accident, differing, drawn, expectedAfter, type Shape, type State, shapeOf, stateOf } from "../support/accidents.ts";
import { forSeeds, skipUnlessEvery } from "../support/every.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { dataSet, freshDatabase, loadSql, openApplication, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import { need } from "../support/require.ts";

const skip = skipWithoutPostgres();
const engine = openPostgresEngine();
const fingerprint = (at: Connection) => engine.fingerprint(at, { kind: "full" });

interface Written {
  readonly table: string;
  readonly insert: (n: number) => string;
  readonly update: string;
  readonly key: string;
}

/** The table that other sessions write to meanwhile: new rows, and one row of those that are there. */
const WRITTEN: Readonly<Record<string, Written>> = {
  "chinook.sql": {
    table: '"Artist"',
    insert: (n) => `insert into "Artist" values (${n}, 'new')`,
    update: `update "Artist" set "Name" = 'w' where "ArtistId" = 1`,
    key: "1",
  },
  "pagila.sql": {
    table: "actor",
    insert: (n) => `insert into actor (actor_id, first_name, last_name) values (${n}, 'new', 'new')`,
    update: "update actor set first_name = 'w' where actor_id = 1",
    key: "1",
  },
};
const FIRST_NEW = 1_000_000;

async function applied(merging: Merging): Promise<Buffer> {
  const undo: Uint8Array[] = [];
  await merging.apply({
    async storeUndo(changes) {
      undo.length = 0;
      for await (const piece of changes) undo.push(piece);
    },
    assertAlive: async () => {},
  });
  await merging.end();
  return Buffer.concat(undo);
}

async function* bytes(given: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield given;
}

/** Writes until it is told to stop; rows that are acknowledged must be there afterwards. */
function beginWriter(at: Connection, { insert, update }: Written) {
  let stopped = false;
  let written = 0;
  const running = (async () => {
    const application = await openApplication(at);
    while (!stopped) {
      await application.query(insert(FIRST_NEW + written));
      written++;
      await application.query(update);
    }
    await application.close();
  })();
  running.catch(() => undefined); // awaited when it is stopped
  return async (): Promise<number> => {
    stopped = true;
    await running;
    return written;
  };
}

/** The data set without what names roles that are not here. */
function withoutOwners(t: TestContext, file: string): string {
  const path = join(tmpdir(), `lifeboat-test-${randomInt(1e9)}.sql`);
  writeFileSync(path, readFileSync(file, "utf8").replaceAll(/^ALTER .* OWNER TO .*;$/gm, ""));
  t.after(() => import("node:fs").then(({ rmSync }) => rmSync(path, { force: true })));
  return path;
}

for (const [name, written] of Object.entries(WRITTEN)) {
  test(`R10 random accidents to ${name} are merged back under concurrent writes, and undone to the fingerprint`, { skip }, async (t) => {
    const file = dataSet(name);
    if (!need(t, `../shared/data/postgres/${name}`, file) || file === undefined) return;
    const base = `past_${randomInt(1e9)}`;
    const past = await freshDatabase(base);
    await loadSql(past, withoutOwners(t, file));
    await query(past, "analyze");
    const shape = await shapeOf(past);
    const then = await stateOf(past, shape);
    const cluster = await sharedCluster();
    await forSeeds(t, 20, 2, async (seed) => {
      const database = `live_${seed}_${base}`;
      const live = cluster.connection(database);
      await query(cluster.connection("postgres"), `create database "${database}" template "${base}"`);
      const chosen = await accident(live, shape, drawn(seed));
      const say = `of ${chosen}`;
      const [before, printed] = [await stateOf(live, shape), await fingerprint(live)];
      const stop: (() => Promise<number>) | undefined = seed % 2 === 0 ? beginWriter(live, written) : undefined;
      const merging = await beginMerge(past, live, { tables: chosen });
      assert.deepEqual(merging.findings.unmergeable, [], say);
      const undo = await applied(merging);
      const rows: number = (await stop?.()) ?? 0;
      const after = await stateOf(live, shape);
      const isOther = stop === undefined ? () => false : isOf(written);
      assert.deepEqual(differing(after, expectedAfter(then, before, chosen, shape), isOther), [], `${say}: merged`);
      assert.equal(newRows(after, written), rows, `${say}: rows of others stay`);
      if (undo.length > 0) await applied(await beginUndo(live, bytes(undo), {}));
      if (stop === undefined) {
        const { tables, schema } = await fingerprint(live);
        assert.deepEqual({ tables, schema }, { tables: printed.tables, schema: printed.schema }, `${say}: undone`);
      } else assert.deepEqual(differing(await stateOf(live, shape), before, isOther), [], `${say}: undone`);
      await query(cluster.connection("postgres"), `drop database "${database}"`);
    });
  });

  test(`R10 random accidents to ${name} at Neon are merged back under concurrent writes by the program, and undone`, {
    skip: skip || (name === "chinook.sql" ? false : skipUnlessEvery),
  }, async (t) => {
    const file = dataSet(name);
    if (!need(t, `../shared/data/postgres/${name}`, file) || file === undefined) return;
    const neon = await startRealNeon({ plan: "scale" });
    t.after(() => neon.sandbox.close());
    const live = { url: neon.sandbox.url, label: "production" };
    const loaded = withoutOwners(t, file);
    await loadSql(live, loaded);
    const shape = await shapeOf(live);
    const source = `checks: [{ name: rows, sql: 'select count(*) > 0 from ${written.table}' }]`;
    const world = await beginWorld(t, { sources: {}, neon: { shop: neon.sandbox }, source });
    const then = await stateOf(live, shape);
    await sleep(50);
    const at = new Date().toISOString();
    await sleep(50);
    let isWhole = true;
    await forSeeds(t, 20, 1, async (seed) => {
      if (!isWhole) {
        await query(live, "drop schema public cascade; create schema public");
        await loadSql(live, loaded);
      }
      isWhole = false;
      await mergedAndUndone({ world, live, shape, at, then, written }, seed);
      isWhole = true;
    });
    await world.assertNothingLeft();
  });
}

interface AtNeon {
  readonly world: World;
  readonly live: Connection;
  readonly shape: Shape;
  /** When the data was whole, and what it was. */
  readonly at: string;
  readonly then: State;
  readonly written: Written;
}

/** One accident, merged back and undone by the program; afterwards the data is whole. */
async function mergedAndUndone({ world, live, shape, at, then, written }: AtNeon, seed: number): Promise<void> {
  const chosen = await accident(live, shape, drawn(seed));
  const say = `of ${chosen}`;
  const before = await stateOf(live, shape);
  const printed = await fingerprint(live);
  const stop: (() => Promise<number>) | undefined = seed % 2 === 0 ? beginWriter(live, written) : undefined;
  const isOther = stop === undefined ? () => false : isOf(written);
  const merge = (tables: readonly string[]) => [
    "restore",
    "shop",
    "--to",
    at,
    "--tables",
    tables.join(),
    "--merge",
    "--yes",
    "shop",
    "--json",
  ];
  const ran = await world.run(...merge(chosen));
  const rows: number = (await stop?.()) ?? 0;
  const isLeftAlone = ran.exit === 3 && stop !== undefined;
  assert.equal(ran.exit, isLeftAlone ? 3 : 0, `${say}: ${ran.stderr}${ran.stdout}`);
  const merged = ran.json();
  // The writer changes its row at any time: it is brought back, or seen to have changed, left alone and named.
  if (isLeftAlone) assert.deepEqual(merged.reasons, [`table public.${written.table}: 1 row changed since the comparison and left alone`]);
  const after = await stateOf(live, shape);
  assert.deepEqual(differing(after, expectedAfter(then, before, chosen, shape), isOther), [], `${say}: merged`);
  assert.equal(newRows(after, written), rows, `${say}: rows of others stay`);
  if (merged.next.length > 0) {
    const undone = await world.run("undo", merged.job, "--yes", "shop", "--json");
    // The writer may have changed its row after it was brought back: it is left alone then, and named.
    const isKept = undone.exit === 3 && stop !== undefined;
    assert.equal(undone.exit, isKept ? 3 : 0, `${say}: ${undone.stderr}${undone.stdout}`);
    if (isKept) assert.deepEqual(changedKeys(undone.json().tables), [[`public.${written.table}`, [written.key]]], say);
  }
  if (stop === undefined) {
    const { tables, schema } = await fingerprint(live);
    assert.deepEqual({ tables, schema }, { tables: printed.tables, schema: printed.schema }, `${say}: undone`);
  } else assert.deepEqual(differing(await stateOf(live, shape), before, isOther), [], `${say}: undone`);
  // The next accident happens to the whole data.
  await world.expect(0, ...merge([...shape.keys.keys()]), "--delete-extra");
  assert.deepEqual(differing(await stateOf(live, shape), then), [], `${say}: all tables merged`);
}

const isOf =
  (written: Written) =>
  (table: string, key: string): boolean =>
    table === written.table && (key === written.key || Number(key) >= FIRST_NEW);

/** The keys of rows that were changed since, by table. */
const changedKeys = (tables: readonly { readonly table: string; readonly changedKeys: readonly string[] }[]) =>
  tables.flatMap(({ table, changedKeys: keys }) => (keys.length === 0 ? [] : [[table, keys]]));

const newRows = (state: State, { table }: Written): number =>
  [...(state.get(table)?.keys() ?? [])].filter((key) => Number(key) >= FIRST_NEW).length;
