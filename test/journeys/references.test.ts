// Two engines brought back to one instant, and what points from one to the other.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

test("R41 recover lists values that point at nothing in the other database, and can be run again", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const [neon, atlas] = [await startRealNeon({ plan: "scale" }), await startAtlasSandbox({ speed: 4_000 })];
  const client = new MongoClient(atlas.url);
  t.after(async () => {
    await client.close();
    await atlas.close();
    await neon.sandbox.close();
  });
  const production = { url: neon.sandbox.url, label: "production" };
  await query(
    production,
    "create table public.users (id int primary key, cart text); insert into public.users select i, 'c' || i from generate_series(1, 50) i",
  );
  const carts = client.db("app").collection("carts");
  await carts.insertMany(Array.from({ length: 50 }, (_, n) => ({ name: `c${n + 1}`, userId: n + 1 })));
  await carts.insertMany([{ userId: 901 }, { userId: [902, 1] }, { userId: "gone" }, { userId: null }]);
  const world = await beginWorld(t, {
    sources: {},
    neon: { shop: neon.sandbox },
    atlas: { sessions: atlas },
    yaml: `references:
  - sessions.app.carts.userId -> shop.users.id
  - shop.public.users.cart → sessions.app.carts.name
  - shop.users.missing -> sessions.app.carts.name
`,
    env: { ATLAS_USER: atlas.user, ATLAS_PASSWORD: atlas.password },
  });
  await sleep(2_050 - (Date.now() % 1_000));
  const at = new Date(Math.floor(Date.now() / 1_000) * 1_000).toISOString();
  await sleep(1_050);
  await query(production, "delete from public.users");
  await carts.insertOne({ userId: 903 });

  const reports = new Set<string>();
  for (const run of [1, 2]) {
    const ran = await world.run("recover", "--to", at, "--json");
    const { references, combined, sources, failures, report, next } = ran.json();
    assert.deepEqual([sources.length, failures], [2, []], `run ${run}\n${ran.stderr}`);
    const [users, back, unknown] = references;
    assert.deepEqual([users.outcome, users.checked, users.dangling, users.sample.toSorted()], ["fail", 53, 3, ["901", "902", "gone"]]);
    assert.deepEqual([back.outcome, back.checked, back.dangling], ["pass", 50, 0]);
    assert.deepEqual([unknown.outcome, /no column users\.missing/.test(unknown.message)], ["inconclusive", true]);
    assert.equal(combined.verdict, "fail");
    assert.ok(
      combined.reasons.some((reason: string) => /3 of 53 values point at nothing/.test(reason)),
      combined.reasons.join("\n"),
    );
    // One signed report of both, beside the evidence of each and the report of the run before.
    reports.add(report.object);
    assert.ok(readdirSync(join(world.repository, "recoveries", report.recovery)).some((file) => /^recovery\.json\.\w+\.sig$/.test(file)));
    const stored = JSON.parse(readFileSync(join(world.repository, report.object), "utf8"));
    assert.deepEqual([stored.verdict, stored.sources.length, stored.references.length], ["fail", 2, 3]);
    const text = readFileSync(join(world.repository, "recoveries", report.recovery, "report.md"), "utf8");
    assert.match(text, /^# Recovery of 2 sources: fail\n/);
    for (const { source, job, place } of sources) {
      assert.ok(text.includes(`${place.what} ${place.name} |`), text);
      assert.match(text, new RegExp(`\\| ${source} \\| verdict: .*\\|`), "its verdict is in the timeline");
      assert.ok(next[0].commands[0].includes(job), "the command that shows the timeline");
    }
    assert.match(text, /3 of 53 values point at nothing/);
    const { stdout } = await world.expect(0, ...next[0].commands[0].split(" ").slice(1));
    assert.match(stdout, /shop: [\s\S]*sessions: /);
  }
  assert.equal(reports.size, 2);
  const wrong = await world.run("status", "--json");
  assert.notEqual(wrong.exit, 2, "the configuration is valid");
});
