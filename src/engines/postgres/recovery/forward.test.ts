// A copy that moves forward through its history and answers on the way.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { postgresBin, query, skipWithoutPostgres } from "../../../../test/support/postgres.ts";
import { orderFor, origin, place, walked } from "../../../../test/support/recovery-origin.ts";
import type { LogChange } from "../../../core/log.ts";
import { compareLsn, formatLsn, parseLsn } from "../../../core/lsn.ts";
import { changesIn } from "../log/segments.ts";
import { beginForward } from "./forward.ts";

test("R42 one copy moves forward over every transaction, and shows exactly what was committed there", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const { facts, marks } = await origin();
  const changes: LogChange[] = [];
  for (const { name, bytes, before } of await walked()) changes.push(...changesIn(name, bytes, before));
  const ends = changes.filter(({ end, changes: counts }) => counts && compareLsn(end, facts.endLsn) > 0).map(({ end }) => end);
  const { expectedEnd: _none, ...order } = await orderFor(t, join(place, "forward"), { temporary: true });
  const forward = await beginForward({ ...order, to: facts.endLsn }, { configured: postgresBin() });
  const seen: (string | number)[] = [];
  for (const end of [facts.endLsn, ...ends]) {
    await forward.advance(end);
    const [row] = await query<{ n: number }>(forward.connection("postgres"), "select coalesce(max(n), 0)::int as n from t");
    const expected = marks.filter(({ lsn }) => parseLsn(lsn) < parseLsn(end)).length;
    assert.equal(row?.n, expected, end);
    seen.push(row?.n ?? -1);
  }
  assert.deepEqual([...new Set(seen)], [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual(await forward.databases(), ["postgres"], "crm was dropped by then");
  await assert.rejects(query(forward.connection("postgres"), "delete from t"), /read-only/);
  await assert.rejects(forward.advance(formatLsn(parseLsn(facts.endLsn) - 8n)), /cannot go back/);
  await forward.remove();
  assert.ok(!existsSync(join(place, "forward")) && !existsSync(join(place, "forward.lifeboat")));
});
