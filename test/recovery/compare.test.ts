// What differs between two states, by the real program.
import assert from "node:assert/strict";
import { test } from "node:test";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

test("R42 compare tells definitions, counts, content and rows that differ between a point and now, or two", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table items (n int primary key, price int); insert into items select g, g from generate_series(1, 9) g");
  await query(shop, "create table same (n int primary key); insert into same values (1)");
  const world = await beginWorld(t, { sources: { shop } });
  const backup = async (): Promise<string> => (await world.expect(0, "backup", "shop", "--json")).json().made[0].id;
  const first = await backup();
  const equal = (await world.expect(0, "compare", "shop", "--to", first, "--json")).json();
  assert.deepEqual([equal.equal, equal.definitions, equal.tableRows], [true, [], null]);

  await query(shop, "delete from items where n = 3; update items set price = 0 where n = 4; insert into items values (10, 10)");
  await query(shop, "create table later (n int primary key)");
  const found = (await world.expect(1, "compare", "shop", "--to", first, "--json")).json();
  assert.deepEqual(
    found.tables.filter((table: { equal: boolean }) => !table.equal),
    [
      { name: "public.items", earlierRows: 9, laterRows: 9, equal: false },
      { name: "public.later", earlierRows: null, laterRows: 0, equal: false },
    ],
  );
  assert.ok(found.definitions.some(({ object }: { object: string }) => object === "column public.later.n"));
  const text = (await world.expect(1, "compare", "shop", "--to", first, "--tables", "items")).stdout;
  for (const line of [/only then +n=3/, /changed +n=4/, /only now +n=10/]) assert.match(text, line);
  const some = await world.expect(1, "compare", "shop", "--to", first, "--tables", "items", "--where", "n > 5", "--json");
  assert.deepEqual(some.json().tableRows[0].firstRows, [{ keyValues: { n: "10" }, change: "only now" }]);

  const second = await backup();
  const between = (await world.expect(1, "compare", "shop", "--to", first, "--with", second, "--json")).json();
  assert.deepEqual([between.later.to.target, between.tables], [second, found.tables]);
  assert.equal((await world.expect(0, "compare", "shop", "--to", second, "--with", second, "--json")).json().equal, true);
  await query(shop, "select lo_from_bytea(0, 'x')");
  const objects = (await world.expect(1, "compare", "shop", "--to", second, "--json")).json();
  assert.deepEqual(objects.definitions.slice(-1), [{ object: "large objects", change: "changed" }]);
  await query(shop, "select lo_unlink(oid) from pg_largeobject_metadata");

  const part = async (...options: string[]): Promise<string> =>
    (await world.expect(0, "backup", "shop", ...options, "--json")).json().made[0].id;
  const [schema, tables] = [await part("--kind", "schema"), await part("--tables", "same")];
  for (const [to, held] of [
    [schema, []],
    [tables, ["public.same"]],
  ] as const) {
    const told = (await world.expect(3, "compare", "shop", "--to", to, "--json")).json();
    assert.deepEqual([told.equal, told.unclear.length], [null, 1], "what a backup does not hold is not equal");
    assert.deepEqual(
      told.tables.map(({ name }: { name: string }) => name),
      held,
    );
  }
  await world.expect(3, "compare", "shop", "--to", schema, "--with", schema);
  await world.assertNothingLeft();
});
