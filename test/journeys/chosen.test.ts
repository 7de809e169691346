// Sources that are limited to some tables: the same answers from check, backup, drill, restore and preview.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { beginMongoWorld } from "../support/mongo-world.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type Ran, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

interface Finding {
  readonly name: string;
  readonly outcome: string;
  readonly message: string;
  readonly next?: { readonly text: string };
}

function choose(world: World, ...tables: readonly string[]): void {
  const text = readFileSync(world.configFile, "utf8");
  writeFileSync(world.configFile, text.replace(/tables: \[.*\] }/, `tables: ${JSON.stringify(tables)} }`));
}

const tablesOf = (ran: Ran): Finding[] => ran.json().findings.filter(({ name }: Finding) => name === "tables of shop");

test("R19 R30 R52 chosen tables are checked, backed up, drilled, previewed and restored with their needs", { skip }, async (t) => {
  const shop = await freshDatabase("chosen_shop");
  await query(
    shop,
    `create schema app; create type app.mood as enum ('good', 'bad'); create sequence app.ids; create table app.users (id int primary key, name text);
     create table app.orders (id int default nextval('app.ids') primary key, m app.mood, user_id int references app.users);
     create schema archive; create table archive.orders (id int); create table app."Odd ""name" (id int);
     create table app.days (at date) partition by range (at); create table app.day_1 partition of app.days default;
     create view app.good as select * from app.orders where m = 'good'; create materialized view app.totals as select count(*) from app.orders;
     create function app.known(i int) returns boolean language sql as 'select exists (select from app.users where id = i)';
     create table app.checked (id int check (app.known(id)));
     insert into app.users values (1, 'ann'); insert into app.orders (m, user_id) values ('good', 1), ('bad', 1); insert into app.days values ('2020-01-01');
     insert into app."Odd ""name" values (1); insert into archive.orders values (1); insert into app.checked values (1)`,
  );
  const world = await beginWorld(t, { sources: { shop }, source: "tables: [x]" });

  for (const [table, message] of [
    ["app.nothing", /no table of .* matches app\.nothing/],
    ["orders", /matches orders; there is app\.orders and archive\.orders/],
    ["app.good", /app\.good of .* is a view, which holds no rows: choose the tables that it reads/],
    ["app.totals", /app\.totals of .* is a materialized view/],
    ['"app.orders', /sources\.shop\.tables: .* is not a table name/],
    ["app.ids", /app\.ids of .* is a sequence/],
  ] as const) {
    choose(world, table);
    const [finding, ...more] = tablesOf(await world.expect(1, "check", "shop", "--json"));
    assert.deepEqual([finding?.outcome, more], ["fail", []], table);
    assert.match(finding?.message ?? "", message);
  }
  const refused = await world.run("backup", "shop", "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "CONFIG_INVALID"]);
  assert.match(refused.message ?? "", /app\.ids of .* is a sequence/);

  // A function that a check calls reads a table that was not chosen.
  choose(world, "app.checked");
  const [, doubt] = tablesOf(await world.expect(3, "check", "shop", "--json"));
  assert.equal(doubt?.outcome, "inconclusive");
  assert.match(doubt?.message ?? "", /app\.users \(in app\.known\(integer\)\).*a restore may refuse rows/);
  assert.match(JSON.stringify(doubt?.next), /add app\.users to sources\.shop\.tables/);

  choose(world, "app.orders", "app.days", "app.good", "app.totals", 'app."Odd ""name"');
  const findings = tablesOf(await world.expect(0, "check", "shop", "--json"));
  assert.deepEqual(
    findings.map(({ outcome, message }) => [outcome, message.replace(/: the table that.*/, "")]),
    [
      ["pass", "4 tables chosen; with them come: 1 view, 1 materialized view, 1 sequence, 1 type"],
      ["pass", "foreign keys: app.orders orders_user_id_fkey (to app.users)"],
    ],
  );
  await world.expect(0, "backup", "shop");
  await world.expect(0, "drill", "shop");
  await world.expect(0, "status", "shop");
  const { answer } = (
    await world.expect(0, "preview", "shop", "--to", "latest", "--query", "select count(*)::int as n from app.good", "--json")
  ).json();
  assert.deepEqual(answer.rows, [[1]]);
  // Without the table that a key refers to, the restore is not called whole.
  await world.expect(3, "restore", "shop", "--into", "chosen_copy");
  const copy = (await sharedCluster()).connection("chosen_copy");
  assert.deepEqual(
    await query(
      copy,
      "select (select count from app.totals)::int as totals, (select count(*) from app.good)::int as good, nextval('app.ids')::int as id",
    ),
    [{ totals: 2, good: 1, id: 3 }],
  );
  await world.assertNothingLeft();
});

test("R19 R30 R52 chosen collections that do not exist fail the check, and views alone are refused", async (t) => {
  const server = await beginMongoWorld();
  t.after(() => server[Symbol.asyncDispose]());
  const db = server.db();
  await db.collection("orders").insertOne({ n: 1 });
  await db.createCollection("recent", { capped: true, size: 65_536 });
  await db.collection("recent").insertOne({ n: 2 });
  await db.createCollection("weather", { timeseries: { timeField: "at" } });
  await db.collection("weather").insertOne({ at: new Date(0), v: 1 });
  await db.createCollection("good", { viewOn: "orders", pipeline: [] });
  const scratch = await beginMongoWorld();
  t.after(() => scratch[Symbol.asyncDispose]());
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: server.url("shop"), scratch: scratch.url() } },
    source: "tables: [x]",
  });
  for (const [collection, message] of [
    ["ordes", /there is no collection ordes in .*; did you mean "orders"/],
    ["good", /good of .* is a view, which holds no documents: choose the collections that it reads/],
  ] as const) {
    choose(world, collection);
    const [finding] = tablesOf(await world.expect(1, "check", "shop", "--json"));
    assert.equal(finding?.outcome, "fail");
    assert.match(finding?.message ?? "", message);
    const refused = await world.run("backup", "shop", "--json");
    assert.deepEqual([refused.exit, refused.code], [2, "CONFIG_INVALID"]);
  }
  choose(world, "recent", "weather", "good");
  const [chosen, gap] = tablesOf(await world.run("check", "shop", "--json"));
  assert.deepEqual([chosen?.outcome, chosen?.message], ["pass", "3 collections chosen"]);
  assert.match(`${gap?.message} ${JSON.stringify(gap?.next)}`, /good \(of orders\).*add orders to sources\.shop\.tables/);
  await world.expect(0, "backup", "shop");
  await world.expect(0, "drill", "shop");
  await world.assertNothingLeft();
});
