// Every command once, as a user types it: what it says, its JSON, and its exit status.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, PROGRAM } from "../support/program.ts";
import { temporaryDirectory } from "../support/repository.ts";

const skip = skipWithoutPostgres();

async function shop() {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.users (id int primary key, created_at timestamptz not null default now()); insert into users select generate_series(1, 100)",
  );
  return source;
}

test("R52 init makes configuration, key and repository from its options, and never overwrites a key", { skip }, async (t) => {
  const directory = await temporaryDirectory(t);
  const source = await shop();
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: directory,
    TMPDIR: directory,
    LIFEBOAT_STATE: join(directory, "state"),
    SHOP_URL: source.url,
  };
  const lifeboat = (...args: readonly string[]) => spawnSync(PROGRAM, args, { cwd: directory, env, encoding: "utf8" });
  const made = lifeboat("init", "--repository", "backups", "--source", "shop", "--url-variable", "SHOP_URL");
  assert.equal(made.status, 0, made.stderr);
  assert.match(made.stdout, /safe place that is not this machine/);
  assert.equal(statSync(join(directory, "lifeboat-identity.txt")).mode & 0o777, 0o600);
  assert.ok(!readFileSync(join(directory, "lifeboat.yaml"), "utf8").includes(source.url), "the password stays out of the file");
  assert.ok(existsSync(join(directory, "backups/lifeboat.json")));
  const shown = lifeboat("key", "show", "--json");
  assert.equal(shown.status, 0, shown.stderr);
  assert.match(JSON.parse(shown.stdout).recipients[0], /^age1/);
  assert.equal(lifeboat("key", "new").status, 2, "an existing identity is never overwritten");
  assert.equal(lifeboat("check").status, 0);
  assert.equal(lifeboat("backup", "shop", "--quiet").status, 0);
  assert.equal(lifeboat("init").status, 2, "the repository is there already");
});

test("R6 R29 R33 list, show, hold, release, jobs, status and drill agree about a backup", { skip }, async (t) => {
  const world = await beginWorld(t, {
    sources: { shop: await shop() },
    source:
      "checks: [{ table: users, rows: { min: 1 }, newest: created_at, within: 1h }, { sql: 'select count(*) = 100 from users', name: all there }]",
  });
  assert.equal((await world.expect(4, "status", "--json")).json().sources[0].verdict, "fail");
  const { id } = (
    await world.expect(
      0,
      "backup",
      "shop",
      "--name",
      "pre-deploy-cart",
      "--reason",
      "schema v1.5",
      "--note",
      "before the cart",
      "--hold",
      "--json",
    )
  ).json().made[0];

  const [point] = (await world.expect(0, "list", "shop", "--json")).json().points;
  assert.deepEqual([point.id, point.name, point.reason, point.note], [id, "pre-deploy-cart", "schema v1.5", "before the cart"]);
  assert.match(point.hold.by, /@/);
  assert.match((await world.expect(0, "list")).stdout, /pre-deploy-cart[\s\S]*never[\s\S]*held by/);
  await world.expect(0, "release", "pre-deploy-cart");
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].hold, null);
  await world.expect(0, "hold", id.slice(0, -1), "--reason", "critical");
  assert.equal((await world.expect(0, "list", "--json")).json().points[0].hold.reason, "critical");

  const shown = (await world.expect(0, "show", "pre-deploy-cart", "--contents", "--json")).json();
  assert.ok(
    shown.contents.some(
      ({ kind, name, hasData }: { kind: string; name: string; hasData: boolean }) =>
        kind.startsWith("TABLE") && name === "users" && hasData !== undefined,
    ),
  );

  assert.equal(
    (await world.expect(3, "status", "--json")).json().verdict,
    "inconclusive",
    "a backup that was never restored proves nothing",
  );
  const drilled = (await world.expect(0, "drill", "--json")).json().drills[0];
  assert.deepEqual(
    drilled.checks
      .filter(({ kind }: { kind: string }) => kind === "probe")
      .map(({ outcome }: { outcome: string }) => outcome)
      .includes("fail"),
    false,
  );
  assert.equal((await world.expect(0, "status", "--json")).json().verdict, "pass");
  const evidence = JSON.parse(readFileSync(join(world.repository, drilled.evidence), "utf8"));
  assert.deepEqual([evidence.verdict, evidence.source, evidence.point.id], ["pass", "shop", id]);
  assert.match(readFileSync(join(world.repository, drilled.evidence.replace("evidence.json", "report.md")), "utf8"), /pass/i);

  const { jobs } = (await world.expect(0, "jobs", "--json")).json();
  assert.deepEqual(
    jobs.map(({ verb, state }: { verb: string; state: string }) => `${verb} ${state}`).filter((job: string) => /^(drill|backup)/.test(job)),
    ["drill done", "backup done"],
  );
  assert.deepEqual((await world.expect(0, "jobs", "recover", "--json")).json(), { recovered: [], discarded: [], brought: [], orphans: [] });
  await world.assertNothingLeft();
});

test("R33 a failing probe fails drill and restore with status 1, and the requested name is not used", { skip }, async (t) => {
  const source = await shop();
  const world = await beginWorld(t, { sources: { shop: source }, source: "checks: [{ table: users, rows: { min: 101 } }]" });
  await world.expect(0, "backup");
  const drilled = (await world.expect(1, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "fail");
  assert.match(drilled.reasons.join(), /users/);
  const restored = (await world.expect(1, "restore", "shop", "--into", "wanted_name", "--json")).json();
  assert.match(restored.remarks.join(), /wanted_name was not made; what was restored is lifeboat_/);
  const names = `'wanted_name', 'lifeboat_${restored.job}'`;
  const there = await query(source, `select datname from pg_catalog.pg_database where datname in (${names})`);
  assert.deepEqual(there, [{ datname: `lifeboat_${restored.job}` }]);
  assert.equal((await world.expect(4, "status", "--json")).json().verdict, "fail");
  editConfig(world, (text) => text.replace("min: 101", "min: 100"));
  await world.expect(0, "drill", "shop");
  await world.expect(0, "status");
});

test("R29 an objective that is missed is status 4, though the data came back", { skip }, async (t) => {
  const world = await beginWorld(t, {
    sources: { shop: await shop() },
    source: "objectives: { rto: 1s }, checks: [{ sql: 'select pg_sleep(1) is not null' }]",
  });
  await world.expect(0, "backup", "shop");
  const drilled = (await world.expect(4, "drill", "shop", "--json")).json().drills[0];
  assert.ok(drilled.achieved.rtoSeconds > drilled.objective.rtoSeconds);
});

test("expire says a reason for each decision, and its plan removes nothing", { skip }, async (t) => {
  const world = await beginWorld(t, {
    sources: { shop: await shop() },
    source: "policy: short",
    yaml: "policies:\n  short: { keepManual: 1s }\n",
  });
  for (const name of ["first", "second", "third"])
    await world.expect(0, "backup", "shop", "--name", name, ...(name === "first" ? ["--hold"] : []));
  await sleep(1_000);
  const names = (points: readonly { point: { name: string }; reasons: readonly string[] }[]) => points.map(({ point }) => point.name);
  const [plan] = (await world.expect(0, "expire", "--plan", "--json")).json().sources;
  assert.deepEqual([names(plan.remove), plan.applied], [["second"], false]);
  assert.deepEqual(names(plan.keep).sort(), ["first", "third"]);
  for (const { reasons } of [...plan.keep, ...plan.remove]) assert.ok(reasons.length > 0);
  assert.equal((await world.expect(0, "list", "--json")).json().points.length, 3);
  await world.expect(0, "expire", "shop");
  assert.deepEqual(
    (await world.expect(0, "list", "--json")).json().points.map(({ name }: { name: string }) => name),
    ["first", "third"],
  );
  await world.assertNothingLeft();
});

test("what is asked wrongly ends with a stable code, its status, and a next step", { skip }, async (t) => {
  const source = await shop();
  const world = await beginWorld(t, { sources: { shop: source, away: { url: "postgres://u:p@127.0.0.1:1/d", label: "away" } } });
  for (const [args, exit, code] of [
    [["backup", "shpo"], 2, "SOURCE_UNKNOWN"],
    [["backup", "away"], 1, "SOURCE_UNREACHABLE"],
    [["verify", "nothing"], 2, "POINT_UNKNOWN"],
    [["drill", "shop"], 1, "NO_RESTORE_POINT"],
    [["restore", "shop", "--into", "x"], 1, "NO_RESTORE_POINT"],
    [["backup", "shop", "--tables", "public.nowhere"], 2, "TABLE_UNKNOWN"],
    [["backup", "shop", "--name", "../x"], 2, "NAME_INVALID"],
    [["backup", "shop", "--tier", "hourly"], 2, "USAGE"],
    [["backup"], 2, "USAGE"],
    [["restore", "shop"], 2, "USAGE"],
  ] as const) {
    const ran = await world.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [exit, code], `${args.join(" ")}: ${ran.stderr}`);
    const { error } = JSON.parse(ran.stderr);
    assert.ok(error.next.text.length > 10 && error.exit === exit, args.join(" "));
  }
  // `show` takes no instant, so its next step names none.
  const { error: shown } = JSON.parse((await world.expect(2, "show", "latest", "--json")).stderr);
  assert.deepEqual([shown.code, shown.next.text], ["POINT_UNKNOWN", "run `lifeboat list` to see every restore point"]);
  mkdirSync(join(world.directory, "nowhere"));
  editConfig(world, (text) => text.replace(/file:\/\/[^"]*/, `file://${join(world.directory, "nowhere")}`));
  assert.equal((await world.run("list", "--json")).exit, 10);
  editConfig(world, (text) => text.replace("sources:", "suorces:"));
  const config = await world.run("list", "--json");
  assert.deepEqual([config.exit, config.code], [2, "CONFIG_INVALID"]);
  assert.match(config.stderr, /sources/, "the nearest word is suggested");
  await world.assertNothingLeft();
});

test("R30 a drill of every source drills each that can be; one without a backup does not stop the others", { skip }, async (t) => {
  const gone = { url: "postgres://shop@127.0.0.1:1/shop", label: "gone" };
  const world = await beginWorld(t, { sources: { gone, shop: await shop() } });
  await world.expect(0, "backup", "shop");
  const ran = await world.run("drill", "--json");
  assert.equal(ran.json().failures[0].code, "NO_RESTORE_POINT");
  assert.equal(ran.exit, 1);
  const { drills } = ran.json();
  assert.deepEqual(
    drills.map(({ source, verdict }: { source: string; verdict: string }) => [source, verdict]),
    [["shop", "pass"]],
  );
});
