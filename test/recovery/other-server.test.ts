// Another server at the source's address: one that was made anew, and a second one that was restored from the same backup. Its log is
// never taken for the log of the first.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { archiveSource, until } from "../support/archive.ts";
import { type LogCluster, logCluster } from "../support/log-cluster.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();
const settings = { ...archiveSource, fsync: "off" };

async function beginShop(t: Parameters<typeof beginWorld>[0], cluster: LogCluster): Promise<World> {
  return beginWorld(t, {
    sources: { shop: cluster.connection() },
    source: "policy: pitr, archive: { partialEvery: 1s }",
    yaml: "policies: { pitr: { window: 7d } }\n",
  });
}

/** Writes a row; ends when the archive has it. */
async function archived(world: World, cluster: LogCluster, what: string): Promise<void> {
  const archive = world.start("archive", "shop");
  const active = until("the slot is active", async () =>
    (await query(cluster.connection(), "select active from pg_replication_slots")).some((slot) => slot.active === true),
  );
  await Promise.race([active, archive.ended.then(({ stderr }) => assert.fail(stderr))]);
  await query(cluster.connection(), `insert into w values ('${what}')`);
  const written = Date.now();
  await until("the window has come so far", async () => {
    const { window } = (await world.run("status", "--json")).json().sources[0];
    return Date.parse(window?.latest) >= written;
  });
  archive.kill("SIGTERM");
  assert.equal((await archive.ended).exit, 0);
}

function pointTo(world: World, cluster: LogCluster): void {
  world.env.URL_SHOP = cluster.connection().url;
  editConfig(world, (text) => text);
}

const reasonsOf = async (world: World): Promise<string[]> =>
  (await world.run("status", "--json")).json().sources[0].reasons.map(({ code }: { code: string }) => code);

test("R36 another cluster at the source's address is SOURCE_REPLACED, and its log is not archived", { skip }, async (t) => {
  const [first, other] = [await logCluster({ settings }), await logCluster({ settings })];
  t.after(() => Promise.all([first.remove(), other.remove()]));
  for (const cluster of [first, other]) await query(cluster.connection(), "create table w (what text)");
  const world = await beginShop(t, first);
  await world.expect(0, "backup", "shop", "--kind", "base");
  await archived(world, first, "first");
  assert.ok(!(await reasonsOf(world)).includes("SOURCE_REPLACED"));
  pointTo(world, other);
  assert.ok((await reasonsOf(world)).includes("SOURCE_REPLACED"));
  assert.match((await world.run("tick")).stdout, /opened +critical +shop: SOURCE_REPLACED/);
  const refused = await world.run("archive", "shop");
  assert.equal(refused.code, "ARCHIVE_BLOCKED", refused.stderr);
  pointTo(world, first);
  assert.ok(!(await reasonsOf(world)).includes("SOURCE_REPLACED"));
  assert.match((await world.run("tick")).stdout, /closed +critical +shop: SOURCE_REPLACED/);
});

test("R25 the log of a second copy of the same backup never takes the place of the first copy's", { skip }, async (t) => {
  const origin = await logCluster({ settings });
  await query(origin.connection(), "create table w (what text)");
  const world = await beginShop(t, origin);
  await world.expect(0, "backup", "shop", "--kind", "base");
  await archived(world, origin, "common");
  await origin.shutDown();
  // Two copies of one state, each of which becomes production on timeline 2.
  const copies: LogCluster[] = [];
  for (let n = 0; n < 2; n++) {
    const copy = await logCluster({
      settings: { ...settings, restore_command: "false" },
      from: async (data) => {
        execFileSync("cp", ["-a", origin.data, data]);
        writeFileSync(join(data, "recovery.signal"), "");
      },
    });
    copies.push(copy);
    t.after(() => copy.remove());
  }
  await origin.remove();
  const [first, second] = copies as [LogCluster, LogCluster];
  for (const copy of copies)
    await until("it is promoted", async () => (await query(copy.connection(), "select pg_is_in_recovery() as r"))[0]?.r === false);
  pointTo(world, first);
  await archived(world, first, "of the first");
  pointTo(world, second);
  await query(second.connection(), "insert into w values ('of the second'); select pg_switch_wal()");
  await query(second.connection(), "insert into w values ('later')");
  const refused = await world.run("archive", "shop");
  assert.equal(refused.code, "LOG_INVALID", refused.stderr);
  const sql = "select what from w order by what";
  const { answer } = (await world.expect(0, "preview", "shop", "--to", "latest", "--query", sql, "--json")).json();
  assert.deepEqual(answer.rows.flat(), ["common", "of the first"]);
});
