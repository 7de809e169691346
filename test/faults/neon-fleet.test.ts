// Long pasts in the sandbox: many restores on top of each other, and much that was written.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sizeOf } from "../../packages/sandbox/neon/fleet/place.ts";
import { column, HEAD, instant, note, notes, shop, testFleet } from "../support/fleet.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";

const needsServer = { skip: skipWithoutPostgres() };

test("a chain of twenty restores keeps every instant of its whole past", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  let line = await shop(fleet);
  const instants: Date[] = [];
  for (let i = 0; i < 20; i++) {
    await fleet.execute(line, "shop", note(String.fromCharCode(97 + i)));
    instants.push(await instant());
    await fleet.execute(line, "shop", note("accident"));
    const at = instants[i] as Date;
    await fleet.stop(line);
    line = (await fleet.fork(line, { kind: "time", at })).line;
  }
  const rows = Array.from({ length: 20 }, (_, i) => String.fromCharCode(97 + i));
  assert.deepEqual(await notes(fleet, line), rows);
  for (const i of [0, 7, 18]) {
    const fork = await fleet.fork(line, { kind: "time", at: instants[i] as Date });
    assert.deepEqual(await notes(fleet, fork.line), rows.slice(0, i + 1));
  }
  // Each start copies one small data directory, not the histories before it.
  const perLine = (await sizeOf(join(directory, "lines"))) / 24;
  assert.ok(perLine < 48 * 1024 * 1024, `${perLine} bytes a line`);
});

test("a line that wrote much is not replayed from its beginning for every fork", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await shop(fleet);
  await fleet.execute(line, "shop", `insert into t (note) select repeat(md5(i::text), 20) from generate_series(1, 60000) i`);
  const at = await instant();
  await fleet.execute(line, "shop", note("later"));
  const first = await fleet.fork(line, { kind: "time", at });
  assert.deepEqual(await column(fleet, first.line, "select count(*) from t"), ["60000"]);
  assert.ok(existsSync(join(directory, "lines", first.line, "base-0")));
  await fleet.stop(line);
  assert.ok(existsSync(join(directory, "lines", line, "base-1")));
  for (const [parent, point, count] of [
    [first.line, HEAD, "60000"],
    [line, HEAD, "60001"],
    [line, { kind: "time", at }, "60000"],
  ] as const) {
    assert.deepEqual(await column(fleet, (await fleet.fork(parent, point)).line, "select count(*) from t"), [count]);
  }
});
