// The real program against the sandbox of Neon with real clusters behind it: settings, points, accidents, and the ways back.
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { NeonSandboxOptions } from "../../packages/sandbox/neon/sandbox.ts";
import type { Connection } from "../../src/ports/connection.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

const POLICY = `policies:
  p:
    window: 30d
    protect: true
    snapshots: [{ name: "backup-{date}", cron: "0 0 * * *", keep: 30d }]
`;
const SOURCE = "policy: p, checks: [{ table: users, rows: { min: 1 } }]";

interface Shop extends World {
  readonly production: Connection;
  /** Names of the branches at the provider. */
  branches(): Promise<string[]>;
  /** Gives a branch a compute, and the string that connects to it. */
  openBranch(id: string): Promise<string>;
  ids(): Promise<number[]>;
}

async function shopAtNeon(
  t: TestContext,
  options: { readonly neon?: Omit<NeonSandboxOptions, "fleet">; readonly yaml?: string; readonly source?: string } = {},
): Promise<Shop> {
  const neon = await startRealNeon({ plan: "scale", ...options.neon });
  t.after(() => neon.sandbox.close());
  const production = { url: neon.sandbox.url, label: "production" };
  await query(production, "create table users (id int primary key); insert into users select generate_series(1, 100)");
  const world = await beginWorld(t, {
    sources: {},
    neon: { shop: neon.sandbox },
    source: options.source ?? SOURCE,
    yaml: options.yaml ?? POLICY,
  });
  return {
    ...world,
    production,
    branches: async () => (await neon.expect(200, "GET", "/branches")).branches.map(({ name }: { name: string }) => name).sort(),
    async openBranch(id) {
      await neon.expect(201, "POST", "/endpoints", { endpoint: { branch_id: id, type: "read_write" } });
      const { uri } = await neon.expect(200, "GET", `/connection_uri?branch_id=${id}&database_name=neondb&role_name=neondb_owner`);
      return uri;
    },
    ids: () => idsOf(production),
  };
}

const idsOf = async (connection: Connection): Promise<number[]> =>
  (await query<{ id: number }>(connection, "select id from users order by id")).map(({ id }) => id);

/** A moment that no commit shares, in the milliseconds that the provider can tell apart. */
async function aMoment(): Promise<string> {
  await sleep(30);
  const at = new Date().toISOString();
  await sleep(30);
  return at;
}

test("R1 R3 R4 plan names the drift, apply fixes it once, status reports settings, limits and window", { skip }, async (t) => {
  const shop = await shopAtNeon(t);
  const planned = (await shop.expect(0, "plan", "shop", "--json")).json().sources[0];
  assert.deepEqual(planned.drift.map(({ setting }: { setting: string }) => setting).sort(), ["history window", "protection"]);
  assert.deepEqual(planned.plan.refusals, []);
  const before = (await shop.expect(4, "status", "--json")).json().sources[0];
  const codes = before.reasons.map(({ code }: { code: string }) => code);
  for (const code of ["WINDOW_SHORT", "PROTECTION_OFF", "SNAPSHOT_OVERDUE"]) assert.ok(codes.includes(code), `${code} in ${codes}`);

  const applied = (await shop.expect(0, "apply", "shop", "--json")).json().sources[0];
  assert.equal(applied.applied.length, 2);
  assert.deepEqual(applied.drift, []);
  assert.deepEqual((await shop.expect(0, "apply", "shop", "--json")).json().sources[0].applied, []);

  await shop.expect(0, "backup", "--due");
  await shop.expect(0, "drill", "shop");
  const beganMs = performance.now();
  const status = (await shop.expect(0, "status", "--json")).json().sources[0];
  const tookSeconds = (performance.now() - beganMs) / 1_000;
  assert.equal(status.verdict, "pass", JSON.stringify(status.reasons));
  assert.equal(status.settings.pitr_enabled, true);
  assert.equal(status.settings.pitr_retention_days, 30);
  assert.equal(status.settings.earliest_restore_time, status.window.earliest);
  assert.equal(status.settings.latest_restore_time, status.window.latest);
  assert.ok(status.exposureSeconds <= tookSeconds, "the provider's window ended no earlier than it was asked");
  assert.deepEqual(
    status.limits.map(({ name }: { name: string }) => name),
    ["branches", "root branches", "snapshots", "protected branches", "storage", "connections"],
  );
  await shop.assertNothingLeft();
});

test("R1 a policy beyond the plan is applied as far as the plan goes, and says what the rest costs", { skip }, async (t) => {
  const shop = await shopAtNeon(t, { neon: { plan: "launch" } });
  const { applied, blocked } = (await shop.expect(3, "apply", "shop", "--json")).json().sources[0];
  assert.equal(
    applied.some(({ wanted }: { wanted: string }) => wanted === "7d"),
    true,
  );
  assert.equal(blocked.length, 1);
  assert.match(blocked[0].blocked, /Launch plan keeps at most 7d.*\$/s);
  const human = await shop.expect(3, "apply", "shop");
  assert.match(human.stdout, /the policy asks for a history window of 30d/);
});

test("R2 R5 R6 snapshots have policy names, reasons, notes and expiries, and list shows all points", {
  skip,
}, async (t) => {
  const shop = await shopAtNeon(t);
  const log = join(shop.directory, "deployments.log");
  const due = (await shop.expect(0, "backup", "--due", "--json")).json();
  const nightly: string = due.made[0].name;
  assert.match(nightly, /^backup-\d{4}-\d\d-\d\d$/);
  assert.deepEqual((await shop.expect(0, "backup", "--due", "--json")).json(), { made: [], failures: [] });
  await shop.expect(0, "backup", "shop", "--reason", "pre-migration, schema v1.5", "--note", "ticket 7", "--deploy-log", log);
  await shop.expect(0, "backup", "shop", "--kind", "full", "--name", "dumped");
  await shop.expect(0, "backup", "shop", "--pre-deploy", "Checkout v2", "--deploy-log", log);
  const list = (await shop.expect(0, "list", "shop", "--json")).json();
  const by = new Map<string, Record<string, unknown>>(list.points.map((point: { name: string }) => [point.name, point]));
  assert.equal(by.size, 4);
  assert.equal(by.get("dumped")?.kind, "full");
  const manual = [...by.values()].find(({ note }) => note === "ticket 7");
  assert.match(String(manual?.name), /^backup-\d{8}-\d{6}$/);
  assert.equal(manual?.reason, "pre-migration, schema v1.5");
  assert.match(String(manual?.madeBy), /@/);
  assert.ok(by.get(nightly)?.expiresAt);
  assert.ok(by.get("pre-deploy-checkout-v2")?.hold);
  assert.equal(list.windows[0].source, "shop");
  assert.ok(list.windows[0].earliest < list.windows[0].latest);
  assert.equal(readFileSync(log, "utf8").trim().split("\n").length, 2);
  assert.match(readFileSync(log, "utf8"), /\tshop\tbackup-.*\tpre-migration, schema v1\.5\tticket 7\n/);
  const released = (await shop.expect(0, "release", "pre-deploy-checkout-v2", "--json")).json();
  const days = (Date.parse(released.expiresAt) - Date.now()) / 86_400_000;
  assert.ok(days > 6.9 && days < 7.1, `R11: seven days from the release, not ${days}`);
  assert.match((await shop.expect(0, "expire")).stdout, /4 kept, 0 removed/);
});

test("R7 restore to a moment before the accident makes a branch with exactly the rows of that moment", { skip }, async (t) => {
  const shop = await shopAtNeon(t);
  const good = await aMoment();
  await query(shop.production, "delete from users where id > 3");
  const file = join(shop.directory, "url.txt");
  writeFileSync(file, "old", { mode: 0o644 });
  const planned = (await shop.expect(0, "restore", "shop", "--to", good, "--plan", "--json")).json();
  assert.deepEqual(planned.refusals, []);
  const ran = await shop.expect(0, "restore", "shop", "--to", good, "--json", "--url-file", file);
  const restored = ran.json();
  assert.equal(restored.verdict, "pass");
  assert.match(restored.place.name, /^restore-\d{4}-\d\d-\d\d-\d{4}$/);
  const url = readFileSync(file, "utf8").trim();
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.doesNotMatch(ran.stdout, new RegExp(new URL(url).password), "the password is not printed");
  assert.equal((await idsOf({ url, label: "restored" })).length, 100);
  assert.equal((await shop.ids()).length, 3, "production is as it was");

  const branches = await shop.branches();
  const homeless = await shop.run("restore", "shop", "--to", good, "--tables", "users", "--json");
  assert.deepEqual([homeless.exit, homeless.code], [2, "USAGE"]);
  assert.match(homeless.message ?? "", /--into is missing: which database shall users go into/);
  const chosen = (await shop.expect(0, "restore", "shop", "--to", good, "--tables", "users", "--into", "users_then", "--json")).json();
  assert.deepEqual([chosen.verdict, chosen.holds.at], ["pass", good.replace("Z", "000Z")]);
  const then = new URL(shop.production.url);
  then.pathname = "/users_then";
  assert.equal((await idsOf({ url: then.href, label: "users_then" })).length, 100, "chosen tables come from the history too");
  assert.deepEqual([await shop.branches(), (await shop.ids()).length], [branches, 3], "the scratch branch is gone");

  const wanted = new Date(Date.parse("2020-01-01")).toISOString();
  const refused = await shop.run("restore", "shop", "--to", wanted, "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "RECOVERY_TARGET_OUTSIDE_WINDOW"]);
  assert.match(refused.message ?? "", /can be restored from \d.* to \d/);
  await shop.assertNothingLeft();
});

test("R9 a restore in place keeps the connection string, and the previous state until it is accepted", { skip }, async (t) => {
  const shop = await shopAtNeon(t);
  const good = await aMoment();
  await query(shop.production, "delete from users");
  const refused = await shop.run("restore", "shop", "--to", good, "--in-place", "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "CONFIRMATION_NEEDED"]);
  assert.equal((await shop.ids()).length, 0);
  const back = (await shop.expect(0, "restore", "shop", "--to", good, "--in-place", "--yes", "shop", "--json")).json();
  assert.equal((await shop.ids()).length, 100, "the same connection string reaches the rows again");
  assert.match(back.kept.name, /^rollback-\d{8}$/);
  assert.ok((await shop.branches()).includes(back.kept.name));
  const expired = (await shop.expect(0, "expire", "--json")).json().sources[0];
  const kept = expired.keep.find(({ point }: { point: { name: string } }) => point.name === back.kept.name);
  assert.match(kept.reasons.join(), /not been accepted/);
  const accepted = (await shop.expect(0, "accept", back.job, "--json")).json();
  const days = (Date.parse(accepted.expiresAt) - Date.now()) / 86_400_000;
  assert.ok(days > 6.9 && days < 7.1);
  const unknown = await shop.run("accept", "nothing", "--json");
  assert.deepEqual([unknown.exit, unknown.code], [2, "JOB_UNKNOWN"]);
});

test("R8 R61 a restored branch is promoted: it becomes production without erased rows", {
  skip,
}, async (t) => {
  const shop = await shopAtNeon(t, { source: SOURCE });
  await shop.expect(0, "backup", "shop", "--name", "before");
  await query(shop.production, "delete from users where id > 50");
  const { place } = (await shop.expect(0, "restore", "shop", "--to", "before", "--json")).json();
  // Recorded after the branch was made: it still holds the row.
  await shop.expect(0, "forget", "shop", "--table", "users", "--key", "60", "--reason", "DSAR-17");
  const refused = await shop.run("promote", place.name, "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "CONFIRMATION_NEEDED"]);
  const file = join(shop.directory, "production.url");
  const promoted = (await shop.expect(0, "promote", place.name, "--yes", "shop", "--url-file", file, "--json")).json();
  assert.match(promoted.place.name, /^production-\d{8}$/);
  assert.match(promoted.kept.name, /^rollback-\d{8}$/);
  assert.equal((await idsOf({ url: readFileSync(file, "utf8").trim(), label: "promoted" })).length, 99);
  assert.ok(promoted.warnings.includes("erasure ledger: 1 entry applied, 1 row erased from public.users"), promoted.warnings.join("\n"));
  const { settings } = (await shop.run("status", "shop", "--json")).json().sources[0];
  assert.equal(settings.branch, promoted.place.name);
  const unknown = await shop.run("promote", "no-such-branch", "--yes", "shop", "--json");
  assert.deepEqual([unknown.exit, unknown.code], [2, "BRANCH_UNKNOWN"]);
  await shop.expect(0, "accept", promoted.job);
});

test("R30 R33 a drill proves a point by its fingerprint, sees one that was changed, and leaves no branch", { skip }, async (t) => {
  const shop = await shopAtNeon(t, { source: "policy: p" });
  const { id } = (await shop.expect(0, "backup", "shop", "--name", "proven", "--fingerprint", "--json")).json().made[0];
  const bare = await shop.run("drill", "shop", "--json");
  assert.equal(bare.exit, 3, "without anything to measure against nothing is proven");
  assert.match(bare.stdout, /--fingerprint/);
  const drilled = (await shop.expect(0, "drill", "shop", "--to", "proven", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
  assert.ok(drilled.checks.some(({ kind, outcome }: { kind: string; outcome: string }) => kind === "data" && outcome === "pass"));
  const { points } = (await shop.expect(0, "list", "--json")).json();
  assert.ok(points[0].verifiedAt);
  assert.match((await shop.expect(0, "show", "proven")).stdout, /branch at the provider/);
  const verify = await shop.run("verify", "proven", "--json");
  assert.deepEqual([verify.exit, verify.code], [2, "CAPABILITY_MISSING"]);

  const url = await shop.openBranch(id);
  await query({ url, label: "proven" }, "update users set id = 1000 where id = 7");
  const changed = (await shop.expect(1, "drill", "shop", "--to", "proven", "--json")).json().drills[0];
  assert.equal(changed.verdict, "fail");
  assert.ok((await shop.expect(0, "list", "--json")).json().points[0].damagedAt);
  assert.deepEqual(await shop.branches(), ["production", "proven"]);
  await shop.assertNothingLeft();
});

test("R8 the provider's snapshots are made, proven, and restored beside production or in place", {
  skip,
}, async (t) => {
  const shop = await shopAtNeon(t, { yaml: POLICY.replace("keep: 30d }", "keep: 30d, by: snapshot }") });
  const made = (await shop.expect(0, "backup", "shop", "--name", "held", "--fingerprint", "--json")).json().made[0];
  assert.equal(made.form, "snapshot");
  assert.deepEqual(await shop.branches(), ["production"], "nothing is left of reading it");
  await query(shop.production, "delete from users where id <= 90");
  assert.equal((await shop.expect(0, "drill", "shop", "--to", "held", "--json")).json().drills[0].verdict, "pass");
  const beside = (await shop.expect(0, "restore", "shop", "--to", "held", "--into", "beside", "--json", "--show-password")).json();
  assert.equal((await idsOf({ url: beside.connection.url, label: "beside" })).length, 100);
  const planned = (await shop.expect(0, "restore", "shop", "--to", "held", "--in-place", "--yes", "shop", "--plan", "--json")).json();
  assert.equal(planned.steps.length, 3);
  const back = (
    await shop.expect(0, "restore", "shop", "--to", "held", "--in-place", "--keep-as", "spoiled", "--yes", "shop", "--json")
  ).json();
  assert.equal((await shop.ids()).length, 100);
  assert.match(back.warnings.join("; "), /no point-in-time history/);
  assert.match(back.warnings.join("; "), /lifeboat backup shop --kind snapshot/);
  const status = (await shop.run("status", "--json")).json().sources[0];
  assert.ok(
    status.reasons.some(({ code }: { code: string }) => code === "PITR_OFF"),
    "status knows that the history is gone",
  );
  const { points } = (await shop.expect(0, "list", "--json")).json();
  assert.deepEqual(points.map(({ name }: { name: string }) => name).sort(), ["held", "spoiled"]);
});

test("R19 a copy outside of the provider is an ordinary backup: dumped, drilled here, and loaded beside", {
  skip,
}, async (t) => {
  const shop = await shopAtNeon(t);
  await shop.expect(0, "backup", "shop", "--kind", "full", "--name", "copy");
  const drilled = (await shop.expect(0, "drill", "shop", "--to", "copy", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
  assert.match(drilled.target, /this machine/);
  await shop.expect(0, "restore", "shop", "--to", "copy", "--into", "loaded");
  const url = new URL(shop.production.url);
  url.pathname = "/loaded";
  assert.equal((await idsOf({ url: url.href, label: "loaded" })).length, 100);
  // The provider is unreachable or the project is deleted, and the copy is drilled and restored elsewhere.
  shop.env.KEY_SHOP = "revoked";
  assert.equal((await shop.expect(0, "drill", "shop", "--to", "copy", "--json")).json().drills[0].verdict, "pass");
  const elsewhere = await freshDatabase();
  const there = await shop.run("restore", "shop", "--to", "copy", "--into", elsewhere.url, "--roles", "--json");
  assert.equal(there.exit, 0, there.stdout);
  assert.match(there.stdout, /roles have the source's attributes, memberships and settings/);
  assert.equal((await idsOf(elsewhere)).length, 100);
  const wrong = await shop.run("restore", "shop", "--to", "copy", "--in-place", "--yes", "shop", "--json");
  assert.deepEqual([wrong.exit, wrong.code], [2, "CAPABILITY_MISSING"]);
});

test("misuse is refused early: contradicting options, a wrong key, an unreachable provider", {
  skip,
}, async (t) => {
  const shop = await shopAtNeon(t);
  for (const [args, code] of [
    [["backup", "--due", "--name", "x"], "USAGE"],
    [["backup", "shop", "--kind", "full", "--fingerprint"], "USAGE"],
    [["backup", "shop", "--kind", "snapshot", "--tier", "none"], "USAGE"],
    [["restore", "shop", "--to", "no-such-point"], "POINT_UNKNOWN"],
    [["restore", "shop", "--to", "no-such-point", "--in-place", "--yes", "shop"], "POINT_UNKNOWN"],
    [["hold", "no-such-point"], "POINT_UNKNOWN"],
  ] as const) {
    const ran = await shop.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [2, code], args.join(" "));
  }
  const check = (await shop.run("check", "shop", "--json")).json();
  assert.ok(
    check.findings.some(({ name, code }: { name: string; code?: string }) => name === "settings of shop" && code === "WINDOW_SHORT"),
  );
  const without = check.findings.find(({ code }: { code?: string }) => code === "SNAPSHOT_OVERDUE");
  assert.deepEqual(without.next.commands, ["lifeboat backup shop --due"], "a project without points has one command to run");
  shop.env.KEY_SHOP = "wrong";
  const refused = await shop.run("backup", "shop", "--json");
  assert.deepEqual([refused.exit, refused.code], [1, "PROVIDER_AUTH"]);
  assert.equal((await shop.run("list", "--json")).exit, 3, "a list without what the provider holds is incomplete");
  shop.env.KEY_SHOP = "";
  const missing = await shop.run("backup", "shop", "--json");
  assert.deepEqual([missing.exit, missing.code], [2, "SECRET_MISSING"]);
  await shop.assertNothingLeft();
});
