// kill -9 at every statement of the last step of `restore --replace`: the connection stops at the Nth statement, before or after
// the server has done what it says, the program hangs there, and is killed.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { freshDatabase, openApplication, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import { type Gate, type Silence, statementGate } from "../support/statement-gate.ts";

const skip = skipWithoutPostgres();
/** The first statement of the step that gives a restored database the name of another. */
const FIRST = /alter database %I connection limit/;
const RESTORED = 10;
const REPLACED = 3;

interface Place {
  readonly world: World;
  readonly gate: Gate;
  readonly target: Connection;
  readonly name: string;
}

async function begin(t: TestContext): Promise<Place> {
  const source = await freshDatabase();
  await query(source, `create table public.t (id int primary key); insert into t select generate_series(1, ${RESTORED})`);
  const gate = await statementGate(source);
  t.after(() => gate.close());
  const world = await beginWorld(t, { sources: { shop: gate.connection } });
  await world.expect(0, "backup", "shop");
  const target = await freshDatabase();
  return { world, gate, target, name: partsOf(target).database };
}

async function refill({ target, name }: Place): Promise<void> {
  const server = (await sharedCluster()).connection("postgres");
  await query(server, `drop database "${name}" with (force)`);
  await freshDatabase(name);
  await query(target, `create table public.t (id int primary key); insert into t select generate_series(1, ${REPLACED})`);
  await query(target, `comment on database "${name}" is 'the shop'; alter database "${name}" set work_mem to '7MB'`);
}

async function databases(): Promise<{ readonly name: string; readonly open: boolean; readonly comment: string | null }[]> {
  return await query(
    (await sharedCluster()).connection("postgres"),
    "select datname::text as name, datallowconn as open, shobj_description(oid, 'pg_database') as comment from pg_database where datname <> 'template0' order by 1",
  );
}

const rows = async (database: Connection): Promise<unknown> => (await query(database, "select count(*)::int as n from public.t"))[0]?.n;

/** What was hit, or undefined when the command ended before. */
async function killedAt({ world, gate, name }: Place, n: number, silence: Silence): Promise<string | undefined> {
  const planned = gate.fallSilent(FIRST, n, silence);
  const running = world.start("restore", "shop", "--into", name, "--replace", "--yes", "shop");
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  while (!over && planned.hit() === undefined) await sleep(5);
  if (!over) {
    await sleep(silence === "stallAfter" ? 500 : 0); // the server does it, and only the answer is missing
    running.kill("SIGKILL");
  }
  const { signal, exit, stderr } = await running.ended;
  gate.open();
  if (signal === "SIGKILL") return planned.hit();
  assert.equal(exit, 0, stderr);
  return undefined;
}

for (const silence of ["stallBefore", "stallAfter"] as const) {
  test(`R8 R23 R56 kill -9 at every statement of a replacement leaves one open database, no loss (${silence})`, {
    skip,
  }, async (t) => {
    const place = await begin(t);
    const { world, target, name } = place;
    const seen = { before: 0, after: 0 };
    for (let n = 1; ; n++) {
      await refill(place);
      const hit = await killedAt(place, n, silence);
      const context = `${silence} ${n}: ${hit?.slice(0, 80) ?? "not killed"}`;
      const ran = await world.run("jobs", "recover");
      const there = await databases();
      assert.equal(there.filter((one) => one.name === name).length, 1, context);
      assert.ok(
        there.every(({ open }) => open),
        `${context}: every database takes connections`,
      );
      const found = await rows(target);
      const [row] = await query(
        target,
        "select current_setting('work_mem') as mem, shobj_description(oid, 'pg_database') as comment from pg_database where datname = current_database()",
      );
      assert.deepEqual(row, { mem: "7MB", comment: "the shop" }, context);
      const old = there.find((one) => one.name.startsWith(`${name}_before_`));
      assert.deepEqual(
        there.filter((one) => one.name.startsWith("lifeboat")),
        [],
        context,
      );
      if (found === REPLACED) {
        assert.deepEqual([old, ran.exit], [undefined, 0], `${context}: ${ran.stdout}${ran.stderr}`);
        assert.match(ran.stdout, /cleaned up\n\s+removed: database lifeboat_/, context);
      } else {
        // Replaced, and what it replaced is still there, under its new name: it is dropped when the restore is accepted.
        assert.ok(old, context);
        assert.equal(await rows((await sharedCluster()).connection(old.name)), REPLACED, context);
        const [last] = (await world.expect(0, "jobs", "--json")).json().jobs.filter(({ verb }: { verb: string }) => verb === "restore");
        assert.equal(ran.exit, hit === undefined ? 0 : 3, `${context}: ${ran.stdout}${ran.stderr}`);
        if (hit !== undefined) {
          const kept = new RegExp(`${old.name} is what the restore replaced, and it is kept; next: .*lifeboat accept ${last.id}`);
          assert.match(ran.stdout, kept, context);
        }
        assert.equal((await world.expect(2, "accept", last.id, "--json")).code, "CONFIRMATION_NEEDED", context);
        await world.expect(0, "accept", last.id, "--yes", "shop");
        assert.ok(!(await databases()).some((one) => one.name === old.name), context);
        await world.expect(0, "jobs", "recover");
      }
      await world.assertNothingLeft();
      if (hit === undefined) break;
      seen[found === REPLACED ? "before" : "after"]++;
    }
    t.diagnostic(JSON.stringify(seen));
    assert.ok(seen.before >= 3 && seen.after >= 3, JSON.stringify(seen));
  });
}

test("R23 R56 a replacement succeeds with sessions coming and going, and never closes the database", { skip }, async (t) => {
  const place = await begin(t);
  const { world, target, name } = place;
  await refill(place);
  let over = false;
  const closed: unknown[] = [];
  const client = async (): Promise<void> => {
    while (!over) await query(target, "select pg_sleep(0.02)").catch((error: unknown) => closed.push(String(error)));
  };
  const clients = Promise.all(Array.from({ length: 8 }, client));
  await world.expect(0, "restore", "shop", "--into", name, "--replace", "--yes", "shop");
  over = true;
  await clients;
  assert.equal(await rows(target), RESTORED);
  assert.deepEqual(
    closed.filter((message) => /not currently accepting connections/.test(String(message))),
    [],
  );
});

test("R10 R56 kill -9 while pg_restore fills replaced tables: the next start puts the old ones back whole", { skip }, async (t) => {
  const shop = await freshDatabase();
  const lock = 4_711;
  await query(
    shop,
    `create function gate(int) returns boolean language plpgsql immutable as $$ begin perform pg_advisory_xact_lock_shared(${lock}); return true; end $$;
     create table users (id serial primary key, name text); create table orders (id int primary key check (gate(id)), user_id int not null references users);
     insert into users (name) select 'u' || g from generate_series(1, 99) g; insert into orders select g, g from generate_series(1, 99) g;
     create index orders_of on orders (user_id); create view open as select name from users`,
  );
  const world = await beginWorld(t, { sources: { shop } });
  await world.expect(0, "backup", "shop");
  await query(
    shop,
    "drop view open; delete from orders where id > 50; update users set name = 'now'; create table late (id int primary key)",
  );
  const state = async () =>
    query(
      shop,
      `select (select json_agg(u order by id) from users u) as users, (select json_agg(o order by id) from orders o) as orders,
         (select json_agg(indexdef order by indexdef) from pg_indexes where schemaname = 'public') as indexes,
         (select json_agg(conname || pg_get_constraintdef(oid) order by conname) from pg_constraint where connamespace = 'public'::regnamespace) as keys,
         (select json_agg(nspname) from pg_namespace where nspname like 'lifeboat%') as aside, (select json_agg(rolname) from pg_roles where rolname like 'lifeboat%') as roles,
         (select last_value from users_id_seq) as id`,
    );
  const before = await state();
  const replace = ["restore", "shop", "--tables", "users,orders", "--into", partsOf(shop).database, "--replace", "--yes", "shop"];
  const holder = await openApplication(shop);
  await holder.query(`select pg_advisory_lock(${lock})`);
  const running = world.start(...replace);
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  const waiting = `select 1 from pg_stat_activity where datname = current_database() and usename like 'lifeboat\\_%' and wait_event = 'advisory'`;
  while (!over && (await query(shop, waiting)).length === 0) await sleep(20);
  const aside = `select relname::text as name from pg_class c join pg_namespace n on n.oid = relnamespace where nspname like 'lifeboat%' and relkind = 'r' order by 1`;
  assert.deepEqual(await query(shop, aside), [{ name: "orders" }, { name: "users" }], "the old tables");
  const exit = once(running.child, "exit");
  running.kill("SIGKILL");
  await exit;
  // Its pg_restore still waits for the server, with the rights of the load's role.
  const { stdout } = await world.expect(0, "jobs", "recover");
  assert.match(stdout, /restore of shop/);
  assert.deepEqual(await state(), before);
  await holder.close();
  assert.equal((await running.ended).signal, "SIGKILL", "pg_restore has ended too");
  assert.deepEqual(await state(), before);
  await world.expect(0, ...replace);
  assert.deepEqual(await query(shop, "select count(*)::int as n from orders"), [{ n: 99 }]);
  await world.assertNothingLeft();
});
