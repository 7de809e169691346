// Back to the moment before a whole database was dropped.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { postgresBin, query, skipWithoutPostgres } from "../../../../test/support/postgres.ts";
import { orderFor, origin, place, walked } from "../../../../test/support/recovery-origin.ts";
import { formatLsn, parseLsn } from "../../../core/lsn.ts";
import { firstCommitAfter, recordAt } from "../log/segments.ts";
import { recover } from "./recover.ts";

const skip = skipWithoutPostgres();

test("R25 just before DROP DATABASE the database is there; one record later it is named as lost", { skip }, async (t) => {
  const { beforeDrop } = await origin();
  let stop: { lsn: string; previousEnd: string } | undefined;
  let dropped: { lsn: string; previousEnd: string } | undefined;
  for (const { name, bytes, before } of await walked()) {
    stop ??= firstCommitAfter(name, bytes, before, beforeDrop);
    if (stop) dropped ??= recordAt(name, bytes, before, formatLsn(parseLsn(stop.lsn) + 1n));
  }
  assert.ok(stop && dropped);
  const order = async (name: string, { lsn, previousEnd }: typeof stop & object) =>
    recover(await orderFor(t, join(place, name), { stopBefore: lsn, expectedEnd: previousEnd, temporary: true }), {
      configured: postgresBin(),
    });
  const whole = await order("before-drop", stop);
  assert.deepEqual(whole.databases, ["closed", "crm", "postgres"]);
  assert.deepEqual(await query(whole.connection("closed"), "select n from old"), [{ n: 1 }], "a copy that is temporary is read whole");
  assert.deepEqual(await query(whole.connection("crm"), "select count(*)::int as n from clients"), [{ n: 600 }]);
  await whole.remove();
  const half = await order("half-dropped", dropped);
  assert.deepEqual(half.databases, ["closed", "postgres"]);
  assert.match((await half.next({ start: false })).join("\n"), /crm was being dropped at that instant/);
  await half.remove();
});
