// The moment at which a check broke, by the real program against a real server whose log is archived.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { cases } from "../support/every.ts";
import { beginWritten, settle } from "../support/point-in-time.ts";
import { openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";

const NOW = `to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

test("R42 find names the transaction of an accident among others; its restore holds the data before it", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const seed = Number(process.env.LIFEBOAT_TEST_SEED ?? randomInt(1 << 30));
  t.diagnostic(`seed ${seed}`);
  const random = (below: number, salt: number): number => (Math.imul(seed ^ (salt * 0x9e3779b1), 0x85ebca6b) >>> 0) % below;
  const written = await beginWritten(t);
  const { world, shop } = written;
  await query(shop, "create table users (id int primary key, accident int); create table late (n int)");
  const now = async (): Promise<string> => (await query<{ now: string }>(shop, `select ${NOW} as now`))[0]?.now ?? "";
  await query(shop, "insert into users select g, g / 10 from generate_series(0, 199) g");
  await world.expect(0, "backup", "shop", "--kind", "base", "--json");
  const good = await now();
  let over = false;
  const writing = written.write(1, () => over);
  const accidents: { readonly n: number; readonly xid: number; readonly rows: number }[] = [];
  const client = await openApplication(shop);
  for (let n = 0; n < cases(20, 1); n++) {
    await new Promise((resolve) => setTimeout(resolve, 20 + random(300, n)));
    // A transaction that stays open over others' commits, now and then, and locks the table.
    await client.query("begin");
    const [first] = await client.query<{ xid: number; rows: number }>(
      "select txid_current()::int as xid, (select count(*)::int from users) as rows",
    );
    const { xid = 0, rows = 0 } = first ?? {};
    await client.query(`delete from users where accident = ${n}`);
    if (random(3, n + 50) === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    await client.query("commit");
    accidents.push({ n, xid, rows });
  }
  await query(shop, "insert into users values (1000, 0)"); // one of them came back
  await client.query("begin; lock table late; insert into late values (1)");
  await new Promise((resolve) => setTimeout(resolve, 100));
  await client.query("commit");
  // Others commit in each state, so that looks between the ends show it, however many commits a machine makes.
  await new Promise((resolve) => setTimeout(resolve, 700));
  await query(shop, "truncate late");
  await new Promise((resolve) => setTimeout(resolve, 700));
  await query(shop, "insert into late values (2)");
  await client.close();
  over = true;
  await writing;
  await settle(written);

  const find = (...args: string[]) => ["find", "shop", "--good", good, ...args, "--json"];
  for (const { n, xid, rows } of accidents) {
    const check = `select count(*) = 10 from users where accident = ${n}`;
    const found = (await world.expect(0, ...find("--check", check))).json();
    const ids = found.changesBetween.map(({ id }: { id: string }) => id);
    assert.deepEqual(
      [ids, found.changeCount, found.flips.length],
      [[`transaction ${xid}`], 1, 1],
      `accident ${n}: ${JSON.stringify(found)}`,
    );
    assert.ok(found.lastTrue.at < found.firstFalse.at && found.changesBetween[0].at === found.firstFalse.at);
    if (n > 0) continue;
    const preview = ["preview", "shop", "--to", found.lastTrue.at, "--query", "select count(*)::int from users", "--json"];
    assert.deepEqual((await world.expect(0, ...preview)).json().answer.rows, [[rows]], "the restored data is that before the accident");
    assert.equal(found.restore, `lifeboat restore shop --to ${found.lastTrue.at} --into shop_before`);
  }
  const flapping = (await world.expect(3, ...find("--check", "select count(*) = 0 from late"))).json();
  const values = flapping.flips.map(({ isTrue }: { isTrue: boolean }) => isTrue);
  assert.deepEqual([values, flapping.exact, flapping.changeCount], [[false, true, false], false, 1]);
  await world.assertNothingLeft();
});
