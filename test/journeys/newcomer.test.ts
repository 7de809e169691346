// The experience of a new user: mistakes that must not raise alarms, schedules that must run, plans that must be complete.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import { copyableCluster } from "../support/base-world.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";
import { startS3Emulator } from "../support/s3/emulator.ts";

const skip = skipWithoutPostgres();

async function shop(cluster?: Parameters<typeof freshDatabase>[1]) {
  const source = await freshDatabase(undefined, cluster);
  await query(
    source,
    "create table orders (id int primary key); insert into orders select generate_series(1, 100); create table other (id int)",
  );
  return source;
}

const codesOf = async (world: World): Promise<string[]> =>
  (await world.run("status", "shop", "--json")).json().sources[0].reasons.map(({ code }: { code: string }) => code);

test("R36 a typo, Ctrl-C and a refused target do not count as a failed backup or drill", { skip }, async (t) => {
  const source = await shop();
  const world = await beginWorld(t, { sources: { shop: source }, source: "policy: p", yaml: "policies: { p: { keepManual: 1s } }\n" });
  for (const name of ["one", "two"]) await world.expect(0, "backup", "shop", "--name", name);
  assert.equal((await world.run("backup", "shop", "--name", "two", "--json")).code, "USAGE", "a name that is taken is refused");
  await world.expect(0, "drill", "shop");

  assert.equal((await world.run("backup", "shop", "--tables", "orderz", "--json")).code, "TABLE_UNKNOWN");
  assert.equal((await world.run("drill", "shop", "--to", "2199-01-01", "--json")).exit, 2);
  const stopped = world.start("backup", "shop");
  stopped.child.stderr?.once("data", () => stopped.kill("SIGINT"));
  assert.equal((await stopped.ended).exit, 130);
  assert.deepEqual(await codesOf(world), []);
  assert.match((await world.expect(0, "status", "--short")).stdout, /^. pass {2}shop {2}exposure [^\n]*\n$/);
  assert.deepEqual((await world.expect(0, "expire", "--json")).json().sources[0].blocked, []);
  assert.match((await world.expect(0, "jobs", "--failed", "--source", "shop", "--limit", "9")).stdout, /TABLE_UNKNOWN[\s\S]*|CANCELLED/);
  assert.equal((await world.expect(0, "jobs", "--failed", "--source", "none", "--json")).json().jobs.length, 0);

  // The same mistake in the configuration is one: the backup that cron makes fails.
  editConfig(world, (text) => text.replace("policy: p }", "policy: p, tables: [orderz] }"));
  assert.equal((await world.run("backup", "shop", "--json")).code, "CONFIG_INVALID");
  assert.ok((await codesOf(world)).includes("LAST_BACKUP_FAILED"));
  await world.assertNothingLeft();
});

test("R30 drills of the configuration are run when they are due, and status says when one was not", { skip }, async (t) => {
  const world = await beginWorld(t, {
    sources: { shop: await shop() },
    yaml: 'drills:\n  nightly: { sources: [shop], cron: "0 0 * * *", to: first, name: "drill-{date}" }\n',
  });
  await world.expect(0, "backup", "shop", "--name", "first");
  const [done] = (await world.expect(0, "drill", "--due", "--json")).json().drills;
  assert.deepEqual([done.source, done.verdict, done.point.name, done.plan.name], ["shop", "pass", "first", "nightly"]);
  assert.match(done.plan.run, /^drill-\d{4}-\d\d-\d\d$/);
  assert.deepEqual((await world.expect(0, "drill", "--due", "--json")).json().drills, [], "once for each slot");
  assert.equal((await world.run("drill", "--due", "--to", "latest", "--json")).code, "USAGE");
});

test("R25 base backups are made when they are due where a window is wanted, and check says what they need", { skip }, async (t) => {
  const cluster = await copyableCluster(t);
  const source = await shop(cluster);
  const world = await beginWorld(t, { sources: { shop: source }, source: "policy: p", yaml: "policies: { p: { window: 7d } }\n" });
  const kinds = async (): Promise<string[]> =>
    (await world.expect(0, "backup", "--due", "--json")).json().made.map(({ kind }: { kind: string }) => kind);
  assert.deepEqual(await kinds(), ["base"]);
  assert.deepEqual(await kinds(), [], "not more often than the policy says");
  const { findings } = (await world.run("check", "shop", "--json")).json();
  const found = (name: string) => findings.find((one: { name: string }) => one.name === name);
  assert.match(found("log of shop").message, /wal_level is replica, and WAL can be received for the window of 7d/);
  assert.match(found("room for scratch of shop").message, /free where a drill makes its server/);
});

test("R25 check fails a server whose WAL cannot be received although a window asks for it", { skip }, async (t) => {
  const cluster = await copyableCluster(t, { wal_level: "minimal", max_wal_senders: "0" });
  const source = await shop(cluster);
  await query(source, "create role reader login password 'r'; grant pg_read_all_data to reader");
  const { url } = connectionFromParts({ ...partsOf(source), user: "reader", password: "r" });
  const world = await beginWorld(t, {
    sources: { shop: { url, label: "" } },
    source: "policy: p",
    yaml: "policies: { p: { window: 7d } }\n",
  });
  const checked = await world.run("check", "shop", "--json");
  assert.equal(checked.exit, 1);
  const { findings } = checked.json();
  const codes = findings.filter(({ outcome }: { outcome: string }) => outcome === "fail").map(({ code }: { code: string }) => code);
  assert.deepEqual(codes.sort(), ["NO_WAL_SENDERS", "SOURCE_PERMISSION", "WAL_LEVEL_MINIMAL"]);
  assert.match(findings.find(({ name }: { name: string }) => name === "restore beside shop").next.text, /ALTER ROLE reader CREATEDB;/);
});

test("R22 a plan that replaces says which present rows go, and a hint for one table speaks of that table", { skip }, async (t) => {
  const source = await shop();
  const world = await beginWorld(t, { sources: { shop: source } });
  const { database } = partsOf(source);
  await world.expect(0, "backup", "shop");
  const into = ["restore", "shop", "--into", database, "--plan"];
  const removals = async (...more: string[]): Promise<string[]> =>
    [...(await world.run(...into, ...more)).stdout.matchAll(/^ {2}- (.+)$/gm)].map(([, step = ""]) => step);
  const yes = ["--replace", "--yes", "shop"];
  assert.match((await removals("--tables", "orders", ...yes))[0] ?? "", /^drop table orders, with all present rows, from /);
  assert.match((await removals("--tables", "orders", "--data-only", ...yes))[0] ?? "", /^remove all present rows of table orders in /);
  assert.match(
    (await removals("--data-only", ...yes))[0] ?? "",
    /^remove all present rows of every table that the restore point holds in /,
  );
  const refused = await world.run("restore", "shop", "--into", database, "--tables", "orders", "--json");
  assert.match(JSON.parse(refused.stderr).error.next.text, /--replace --yes shop to replace table orders and nothing else in it/);
});

test("R20 a configured lock works in a bucket; ghost folders do not count, missing conditions are reported", {
  skip,
}, async (t) => {
  const s3 = await startS3Emulator();
  t.after(() => s3.stop());
  s3.faults.ghostFolders = true;
  const world = await beginWorld(t, {
    sources: { shop: await shop() },
    s3,
    source: "policy: p",
    yaml: "policies: { p: { keepManual: 1s } }\n",
  });
  for (const name of ["one", "two"]) await world.expect(0, "backup", "shop", "--name", name);
  await new Promise((resolve) => setTimeout(resolve, 1100));
  assert.equal((await world.expect(0, "expire", "--json")).json().sources[0].remove.length, 1);
  assert.equal(
    (await world.expect(0, "list", "--json")).json().points.length,
    1,
    "folders of which only versions are left count for nothing",
  );

  editConfig(world, (text) => text.replace("sources:", "  storage: { objectLock: 30d }\nsources:"));
  const { id } = (await world.expect(0, "backup", "shop", "--name", "locked", "--json")).json().made[0];
  const locked = [...s3.store.objects].filter(([key, { lock }]) => key.includes(id) && lock !== undefined && lock.mode === "COMPLIANCE");
  assert.ok(locked.length >= 3, `only ${locked.map(([key]) => key)}`);
  assert.equal((await world.run("check", "--json")).json().findings[0].outcome, "pass");

  s3.faults.conditionalWrites = "ignore";
  const checked = (await world.run("check", "--json")).json().findings[0];
  assert.deepEqual([checked.name, checked.outcome, checked.code], ["repository", "fail", "STORAGE_REFUSED"]);
  assert.match(checked.message, /ignores conditional writes/);
  assert.match(JSON.stringify(checked.next), /only in a bucket without versioning/);
});

test("R52 help, hints and lists answer with what was meant", { skip }, async (t) => {
  const world = await beginWorld(t, { sources: { shop: await shop() } });
  for (const args of [["help", "bakup"], ["bakup", "--help"], ["bakup"]]) {
    const ran = await world.run(...args);
    assert.equal(ran.exit, 2, args.join(" "));
    assert.match(ran.stderr, /unknown command "bakup"; did you mean "backup"\?/);
  }
  assert.match(
    (await world.expect(0, "backup", "--help")).stdout.replaceAll(/\s+/g, " "),
    /One of full, data, schema, tables, base, snapshot\./,
  );
  const unlimited = JSON.parse((await world.run("restore", "shop", "--into", "x", "--json")).stderr).error;
  assert.deepEqual(unlimited.next, { text: "run `lifeboat backup shop` first", commands: ["lifeboat backup shop"] });
  for (const name of ["one", "two", "three"]) await world.expect(0, "backup", "shop", "--kind", "schema", "--name", name);
  const { points } = (await world.expect(0, "list", "--limit", "2", "--json")).json();
  assert.deepEqual(
    points.map(({ name }: { name: string }) => name),
    ["two", "three"],
  );
  assert.match((await world.expect(0, "completion", "bash")).stdout, /complete -o default -F _lifeboat lifeboat/);
});

test("R20 an S3 server killed in mid-upload fails the backup by name, and the next backup is whole", {
  skip,
}, async (t) => {
  const directory = await temporaryDirectory(t);
  let s3 = await startS3Emulator({ directory });
  t.after(() => s3.stop());
  const source = await shop();
  await query(
    source,
    "create table wide as select i, gen_random_uuid()::text || gen_random_uuid()::text as t from generate_series(1, 400000) i",
  );
  const world = await beginWorld(t, { sources: { shop: source }, s3 });
  s3.faults.next({ operation: "UploadPart", times: 2, effect: { kind: "stall" } });
  const backup = world.start("backup", "shop", "--json");
  let over = false;
  void backup.ended.finally(() => (over = true));
  while (s3.store.uploads.size === 0) {
    assert.ok(!over, "it takes several parts");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { endpoint, accessKeyId, secretAccessKey } = s3;
  await s3.stop();
  const ran = await backup.ended;
  assert.deepEqual([ran.exit, ran.code], [1, "STORAGE_UNREACHABLE"], ran.stderr);
  s3 = await startS3Emulator({ directory, port: Number(new URL(endpoint).port), accessKeyId, secretAccessKey });
  assert.deepEqual((await world.expect(0, "list", "--json")).json().points, []);
  await world.expect(0, "backup", "shop");
  await world.expect(0, "drill", "shop");
  assert.deepEqual([...s3.store.uploads.keys(), ...[...s3.store.objects.keys()].filter((key) => key.startsWith("repo/leases/"))], []);
});
