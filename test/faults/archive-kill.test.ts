// The archiver killed at any moment: its stored segments are linked, and the next run continues.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { basePoints, beginArchiveWorld, statusOf, until } from "../support/archive.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

test("R25 an archiver that is killed at any moment continues without a gap and without a false link", { skip }, async (t) => {
  const { cluster, world, write } = await beginArchiveWorld(t);
  const shop = cluster.connection("shop");
  await world.expect(0, "backup", "shop", "--kind", "base");
  for (let round = 0; round < 5; round++) {
    const archive = world.start("archive", "shop");
    for (let part = 0; part < 3; part++) {
      await write();
      await query(shop, "select pg_switch_wal()");
    }
    await sleep(400 + round * 350);
    archive.kill("SIGKILL");
    await archive.ended;
  }
  await write();
  const [{ at } = { at: "" }] = await query<{ at: string }>(
    shop,
    `select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at`,
  );
  const archive = world.start("archive", "shop");
  const status = await until("everything written is in the window", async () => {
    const now = await statusOf(world);
    return now.window.latest !== null && now.window.latest >= at ? now : undefined;
  });
  assert.deepEqual(status.log.flaws, []);
  assert.equal(status.log.windows.length, 1);
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
  const verified = (await world.run("verify", "--json", (await basePoints(world))[0]?.id ?? "")).json();
  assert.equal(verified.verdict, "pass", JSON.stringify(verified.checks));
});
