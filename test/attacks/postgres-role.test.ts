// The least roles of docs/postgres-role.md: its statements are run as written, and every command with the roles they create.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Cluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { connectionFromParts, partsOf, withDatabase } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { archiveSource, statusOf, until } from "../support/archive.ts";
import { copyableCluster } from "../support/base-world.ts";
import { freshDatabase, openApplication, psql, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";

const skip = skipWithoutPostgres();
const document = readFileSync(join(import.meta.dirname, "../../docs/postgres-role.md"), "utf8");

/** The SQL of a section, statement by statement as the document has them. */
function statements(section: string): string[] {
  const text = document.split(/^## /m).find((part) => part.startsWith(section)) ?? "";
  return [...text.matchAll(/```sql\n([\s\S]*?)```/g)].flatMap(([, sql = ""]) => sql.split("\n").map((line) => line.trim())).filter(Boolean);
}

const as = (connection: Connection, user: string, password: string): Connection =>
  connectionFromParts({ ...partsOf(connection), user, password });

/** An application's database, owned by its own role. */
async function shopOf(cluster: Cluster): Promise<Connection> {
  const shop = await freshDatabase("shop", cluster);
  await query(
    shop,
    `create role shop_owner login password 'o'; alter database shop owner to shop_owner; set role shop_owner;
     create schema sales;
     create table orders (id int primary key generated always as identity, note text); insert into orders (note) select 'n' || i from generate_series(1, 100) i;
     create table sales.invoices (id serial primary key, at timestamptz default now()); insert into sales.invoices default values;
     create view sales.recent as select * from sales.invoices; create materialized view sales.counted as select count(*) from orders;
     create function sales.price(int) returns int language plpgsql immutable as 'begin return $1; end'; create index on orders (sales.price(id))`,
  );
  return shop;
}

/** Runs those statements of a section that are meant, in the database, as its superuser. */
async function run(t: TestContext, database: Connection, section: string, wanted: RegExp): Promise<void> {
  const chosen = statements(section).filter((statement) => wanted.test(statement));
  assert.ok(chosen.length > 0, `${section}: ${wanted}`);
  // `\\gexec` is psql's own, and works only in a file.
  const file = join(await temporaryDirectory(t), "role.sql");
  await writeFile(file, chosen.join("\n"));
  await psql(database, ["-f", file]);
}

interface Found {
  readonly name: string;
  readonly outcome: string;
  readonly message: string;
  readonly next: { readonly text: string } | null;
}

async function rightsFound(world: World): Promise<Found[]> {
  const { findings } = (await world.run("check", "shop", "--json")).json() as { findings: Found[] };
  return findings.filter(({ name }) => name === "rights of shop");
}

const PITR = "policies: { pitr: { window: 7d } }\n";

test("R57 the least role of docs/postgres-role.md backs up, checks, proves and archives", { skip }, async (t) => {
  const cluster = await copyableCluster(t, archiveSource);
  const shop = await shopOf(cluster);
  await run(t, shop, "Backups", /^CREATE ROLE|^GRANT CONNECT|pg_read_all_data/);
  const lifeboat = as(shop, "lifeboat", "choose-one");
  const source = "policy: pitr, archive: { partialEvery: 1s }, checks: [{ table: orders, rows: { min: 1 } }]";
  const world = await beginWorld(t, { sources: { shop: lifeboat }, source, yaml: PITR });
  const [missing] = await rightsFound(world);
  assert.deepEqual([missing?.outcome, missing?.next?.text], ["fail", "ALTER ROLE lifeboat REPLICATION;"]);
  for (const kind of ["full", "schema", "data"]) await world.expect(0, "backup", "shop", "--kind", kind);
  await world.expect(0, "backup", "shop", "--tables", "orders,sales.invoices");
  assert.equal((await world.run("backup", "shop", "--kind", "base", "--json")).code, "SOURCE_PERMISSION");

  await run(t, shop, "Base backups", /REPLICATION/);
  assert.deepEqual(
    (await rightsFound(world)).map(({ outcome, message }) => [outcome, message]),
    [["pass", "lifeboat may do what is configured"]],
  );
  const archive = world.start("archive", "shop");
  await world.expect(0, "backup", "shop", "--kind", "base");
  await until("the recovery window is open", async () => {
    const { log } = await statusOf(world);
    return log?.windows?.[0]?.latest > log?.windows?.[0]?.earliest;
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  const full = (await world.expect(0, "backup", "shop", "--json")).json().made[0].id;
  await world.expect(0, "drill", "shop", "--to", full);
  assert.equal((await rightsFound(world))[0]?.outcome, "pass");
});

test("R57 check names each missing privilege with its grant, and a superuser as more than required", { skip }, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await shopOf(cluster);
  await query(
    shop,
    `create role "odd ""one" login password 'p'; select pg_catalog.lo_create(4711); set role shop_owner; create table public.secret (id int);
     insert into public.secret values (1); alter table public.secret enable row level security; select pg_catalog.lo_create(4712)`,
  );
  const odd = as(shop, 'odd "one', "p");
  const world = await beginWorld(t, { sources: { shop: odd } });
  const said = await rightsFound(world);
  const next = ['GRANT pg_read_all_data TO "odd ""one";', 'ALTER ROLE "odd ""one" BYPASSRLS;'];
  assert.deepEqual(
    said.map((found) => found.next?.text).filter((line) => !line?.includes("gexec")),
    next,
  );
  assert.match(said[0]?.message ?? "", /public\.orders.*sales\.invoices/);
  assert.equal((await world.run("backup", "shop", "--json")).code, "SOURCE_PERMISSION");
  // What it says, pasted into psql, is all there is to do.
  const file = join(await temporaryDirectory(t), "grants.sql");
  await writeFile(file, said.map((found) => `${found.next?.text}\n`).join(""));
  await psql(shop, ["-f", file]);
  assert.deepEqual(
    (await rightsFound(world)).map(({ outcome }) => outcome),
    ["pass"],
  );
  await world.expect(0, "backup", "shop");
  await world.expect(0, "drill", "shop");

  const powerful = await beginWorld(t, { sources: { shop } });
  const [remark] = (await rightsFound(powerful)) as [Found];
  assert.equal(remark.outcome, "pass");
  assert.match(remark.message, /postgres is a superuser, and nothing that is configured requires one: docs\/postgres-role\.md/);
  await powerful.expect(0, "check", "shop");
});

test("R57 the restoring roles of docs/postgres-role.md make databases, give owners back, and replace", { skip }, async (t) => {
  const cluster = await copyableCluster(t);
  const shop = await shopOf(cluster);
  await run(t, shop, "Backups", /^CREATE ROLE|^GRANT CONNECT|pg_read_all_data/);
  await run(t, shop, "Restoring", /./);
  const world = await beginWorld(t, { sources: { shop: as(shop, "lifeboat", "choose-one") } });
  await world.expect(0, "backup", "shop");
  const owners = async (database: Connection): Promise<unknown> =>
    (
      await query(database, "select distinct tableowner::text as owner from pg_catalog.pg_tables where schemaname in ('public', 'sales')")
    ).map(({ owner }) => owner);
  const beside = as(withDatabase(shop, "shop_beside"), "lifeboat_restore", "choose-another");
  const left = (await world.expect(3, "restore", "shop", "--into", beside.url, "--json")).json();
  assert.match(left.remarks.join(), /may not act for: shop_owner/);
  assert.deepEqual(await owners(beside), ["lifeboat_restore"]);

  const copy = as(withDatabase(shop, "shop_new"), "shop_owner", "o");
  await world.expect(0, "restore", "shop", "--into", copy.url);
  assert.deepEqual(await owners(copy), ["shop_owner"]);
  await run(t, shop, "Replacing", /./);
  await query(shop, "grant connect on database shop_new to lifeboat");
  const open = await openApplication(as(copy, "lifeboat", "choose-one"));
  await world.expect(0, "restore", "shop", "--into", copy.url, "--replace", "--yes", "shop");
  await open.close().catch(() => undefined);
  assert.deepEqual(await query(copy, "select count(*)::int as n from orders"), [{ n: 100 }]);
});
