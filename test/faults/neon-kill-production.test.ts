// kill -9 while production itself is being replaced: afterwards there is exactly one production, with the data of before or of
// after and nothing between, and what was set aside is known and waits to be accepted.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { atMoments } from "../support/every.ts";
import { beginNeonPlace, killedAtRequest, type NeonPlace } from "../support/neon-kill.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";

const skip = skipWithoutPostgres();

const SQL = "create table users (id int primary key); insert into users select generate_series(1, 100)";

async function rows(place: NeonPlace): Promise<number> {
  const [found] = await query<{ n: number }>(place.production, "select count(*)::int as n from users");
  return found?.n ?? -1;
}

/** Everything but production is a state that was set aside, is known to be one, and is kept. */
async function assertKeptIsKnown(place: NeonPlace, context: string): Promise<number> {
  const others = (await place.branches()).filter((branch) => !branch.default && branch.name !== "back").map(({ name }) => name);
  const { sources } = (await place.expect(0, "expire", "--json")).json();
  const kept = sources[0].keep.filter(({ reasons }: { reasons: string[] }) => reasons.join().includes("not been accepted"));
  assert.deepEqual(kept.map(({ point }: { point: { name: string } }) => point.name).sort(), others.sort(), context);
  return others.length;
}

for (const silence of ["stallBefore", "stallAfter"] as const) {
  test(`R9 kill -9 at requests of a restore in place leaves production complete, old or new (${silence})`, { skip }, async (t) => {
    const place = await beginNeonPlace(t, SQL);
    let happened = 0;
    const times = await atMoments(silence === "stallAfter" ? 1 : 6, async (n) => {
      const context = `${silence} request ${n}`;
      await query(place.production, "insert into users select generate_series(1, 100) on conflict do nothing");
      await sleep(50);
      const good = new Date().toISOString();
      await sleep(50);
      await query(place.production, "delete from users where id > 3");
      const args = ["restore", "shop", "--to", good, "--in-place", "--yes", "shop"];
      const killed = await killedAtRequest(place, n, silence, ...args);
      const { recovered } = (await place.expect(0, "jobs", "recover", "--json")).json();
      for (const { left } of recovered) assert.deepEqual(left, [], context);
      await place.assertNothingLeft();
      assert.equal((await place.branches()).filter((branch) => branch.name === "production" && branch.default).length, 1, context);
      const done = (await rows(place)) === 100;
      assert.equal(await assertKeptIsKnown(place, context), done ? 1 : 0, context);
      if (!done) assert.equal(await rows(place), 3, context);
      await place.tidy();
      if (killed && done) happened++;
      return killed;
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
    if (silence === "stallAfter") assert.ok(happened >= 1, "one of them was after the fact");
  });

  test(`R8 kill -9 at requests of a promotion leaves one production and a known old one (${silence})`, { skip }, async (t) => {
    const times = await atMoments(silence === "stallAfter" ? 1 : 6, async (n) => {
      const context = `${silence} request ${n}`;
      const place = await beginNeonPlace(t, SQL);
      await place.expect(0, "restore", "shop", "--to", "latest", "--into", "back");
      const file = join(place.directory, "url");
      const killed = await killedAtRequest(place, n, silence, "promote", "back", "--yes", "shop", "--url-file", file);
      const { recovered } = (await place.expect(0, "jobs", "recover", "--json")).json();
      for (const { left } of recovered) assert.deepEqual(left, [], context);
      await place.assertNothingLeft();
      const branches = await place.branches();
      const [production, ...more] = branches.filter((branch) => branch.default);
      assert.equal(more.length, 0, context);
      const promoted = /^production-\d{8}$/.test(production?.name ?? "");
      if (!promoted) assert.equal(production?.name, "production", context);
      assert.equal(branches.length, 2, `${context}: ${branches.map(({ name }) => name)}`);
      assert.equal(await assertKeptIsKnown(place, context), promoted ? 1 : 0, context);
      if (!killed) {
        assert.ok(promoted);
        const [found] = await query<{ n: number }>(
          { url: readFileSync(file, "utf8").trim(), label: "p" },
          "select count(*)::int as n from users",
        );
        assert.equal(found?.n, 100);
      }
      await place.end();
      return killed;
    });
    assert.ok(times >= 1, `only ${times} requests were killed`);
  });
}

test("R9 a restore in place that is repeated after a crash is not done twice", { skip }, async (t) => {
  const place = await beginNeonPlace(t, SQL);
  await sleep(50);
  const good = new Date().toISOString();
  await sleep(50);
  await query(place.production, "delete from users where id > 3");
  const args = ["restore", "shop", "--to", good, "--in-place", "--yes", "shop"];
  assert.equal(await killedAtRequest(place, 1, "stallAfter", ...args), true);
  assert.equal(await rows(place), 100, "it had happened");
  const again = await place.run(...args, "--json");
  assert.deepEqual([again.exit, again.code], [2, "CONFIRMATION_NEEDED"]);
  assert.match(again.message ?? "", /had set production of shop back .* kept as rollback-\d{8}$/);
  assert.equal((await place.branches()).length, 2, "one production, one state before");
  const job = /job (\w+)/.exec(again.message ?? "")?.[1] ?? "";
  await place.expect(0, "accept", job);
  await place.assertNothingLeft();
});
