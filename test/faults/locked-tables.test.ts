// Tables that are locked against readers: who keeps them locked is named, and what ends it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openClient } from "../../src/engines/postgres/connect/client.ts";
import { lockerOf } from "../../src/engines/postgres/fingerprint/lockers.ts";
import { sessionOf } from "../../src/engines/postgres/fingerprint/session.ts";
import { databasesOf } from "../../src/engines/postgres/recovery/recover.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";

test("R33 a session and a prepared transaction that keep a table locked are named, with what ends them", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const cluster = await testCluster({ settings: { max_prepared_transactions: "2" } });
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table public.orders (i int); create table public.other (i int)");
  const [looking, locking] = [await openClient(shop), await openClient(shop)];
  t.after(() => Promise.all([looking.close(), locking.close()]));
  const session = sessionOf(looking);
  assert.equal(await lockerOf(session), undefined);
  await locking.query("begin; lock table public.other in access exclusive mode");
  const [{ pid } = { pid: 0 }] = await locking.query<{ pid: number }>("select pg_catalog.pg_backend_pid() as pid");
  assert.equal((await lockerOf(session))?.words, `public.other is locked by session ${pid}`);
  await query(shop, "begin; lock table public.orders in access exclusive mode; prepare transaction 'it''s mine'");
  const locker = await lockerOf(session);
  assert.equal(locker?.words, "public.orders is locked by the prepared transaction 'it''s mine'");
  assert.match(locker?.hint ?? "", /`commit prepared 'it''s mine'` or `rollback prepared 'it''s mine'`/);
  assert.deepEqual((await databasesOf(looking)).prepared, [{ gid: "it's mine", database: "shop" }]);
});
