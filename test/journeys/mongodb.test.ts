// The real program against a MongoDB that a team hosts itself: dumps, verification, drills, restores, retention.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { beginMongoWorld, changeOneField, type MongoWorld } from "../support/mongo-world.ts";
import { beginWorld, PROGRAM, type World } from "../support/program.ts";

interface Shop extends World {
  readonly server: MongoWorld;
  readonly scratch: MongoWorld;
}

const SOURCE = `checks: [{ collection: users, rows: { min: 1 }, indexes: { min: 2 }, newest: at, within: 1h }, { collection: users, aggregate: '[{ "$count": "n" }, { "$project": { "ok": { "$eq": ["$n", 100] } } }]', name: all there }]`;

async function fill(server: MongoWorld): Promise<void> {
  const users = server.db().collection("users");
  await users.createIndex({ email: 1 }, { unique: true });
  await users.insertMany(Array.from({ length: 100 }, (_, n) => ({ _id: n as never, n, email: `u${n}@example.com`, at: new Date() })));
  await server
    .db()
    .collection("orders")
    .insertMany([
      { n: 1, total: 12.5 },
      { n: 2, total: 7 },
    ]);
}

async function shopOf(t: TestContext, options: { readonly source?: string; readonly yaml?: string } = {}): Promise<Shop> {
  const [server, scratch] = [await beginMongoWorld(), await beginMongoWorld()];
  t.after(() => Promise.all([server[Symbol.asyncDispose](), scratch[Symbol.asyncDispose]()]));
  await fill(server);
  const world = await beginWorld(t, {
    sources: {},
    mongo: { shop: { url: server.url("shop"), scratch: scratch.url() } },
    source: options.source ?? SOURCE,
    ...(options.yaml === undefined ? {} : { yaml: options.yaml }),
  });
  return { ...world, server, scratch };
}

const outcomes = (checks: readonly { kind: string; outcome: string }[], kind: string): string[] =>
  checks.filter((check) => check.kind === kind).map(({ outcome }) => outcome);

test("R27 R28 a MongoDB source is checked, backed up, verified and drilled like a PostgreSQL source", async (t) => {
  const shop = await shopOf(t);
  const checked = (await shop.run("check", "shop", "--json")).json();
  assert.deepEqual(
    checked.findings.filter(({ outcome }: { outcome: string }) => outcome === "fail"),
    [],
  );
  assert.doesNotMatch(JSON.stringify(checked.findings.slice(3)), /postgres|pg_/i, "nothing speaks of PostgreSQL");

  const made = (await shop.expect(0, "backup", "shop", "--name", "first", "--json")).json().made[0];
  assert.match(made.fingerprint.algorithm, /^mongodb-/);
  assert.deepEqual([made.fingerprint.tables, made.fingerprint.rows], [2, 102]);
  const [point] = (await shop.expect(0, "list", "shop", "--json")).json().points;
  assert.deepEqual([point.id, point.kind, point.name], [made.id, "full", "first"]);
  const shown = await shop.expect(0, "show", "first", "--contents");
  assert.match(shown.stdout, /mongorestore --archive/);
  assert.match(shown.stdout, /users/);
  assert.equal((await shop.expect(0, "verify", "first", "--json")).json().verdict, "pass");

  const drilled = (await shop.expect(0, "drill", "shop", "--json")).json().drills[0];
  assert.equal(drilled.verdict, "pass");
  assert.ok(outcomes(drilled.checks, "data").every((outcome) => outcome === "pass"));
  assert.ok(outcomes(drilled.checks, "probe").length >= 3);
  assert.deepEqual(await databasesOf(shop.scratch), [], "nothing is left on the scratch server");
  const status = (await shop.expect(0, "status", "--json")).json().sources[0];
  assert.deepEqual([status.engine, status.provider, status.verdict], ["mongodb", "mongodb", "pass"], JSON.stringify(status.reasons));
  await shop.assertNothingLeft();
});

const databasesOf = async (world: MongoWorld): Promise<string[]> =>
  (await world.client.db("admin").admin().listDatabases()).databases
    .map(({ name }) => name)
    .filter((name) => !/^(admin|local|config)$/.test(name));

test("R27 R22 a backup is restored under a new name, over a database only with --replace, or in part", async (t) => {
  const shop = await shopOf(t);
  await shop.expect(0, "backup", "shop", "--name", "good");
  await changeOneField(shop.server.db(), "users");
  await shop.server.db().collection("orders").drop();

  const planned = (await shop.expect(0, "restore", "shop", "--to", "good", "--into", "shop_new", "--plan", "--json")).json();
  assert.deepEqual(planned.refusals, []);
  const restored = (await shop.expect(0, "restore", "shop", "--to", "good", "--into", "shop_new", "--json")).json();
  assert.equal(restored.verdict, "pass");
  assert.equal(await shop.server.db("shop_new").collection("orders").countDocuments(), 2);

  const refused = await shop.run("restore", "shop", "--to", "good", "--into", "shop", "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "RESTORE_TARGET_NOT_EMPTY"]);
  const unsure = await shop.run("restore", "shop", "--to", "good", "--into", "shop", "--replace", "--json");
  assert.deepEqual([unsure.exit, unsure.code], [2, "CONFIRMATION_NEEDED"]);
  assert.equal(await shop.server.db().collection("orders").countDocuments(), 0, "nothing was touched");
  const replaced = (
    await shop.expect(0, "restore", "shop", "--to", "good", "--into", "shop", "--replace", "--yes", "shop", "--json")
  ).json();
  assert.equal(replaced.verdict, "pass");
  assert.equal(await shop.server.db().collection("orders").countDocuments(), 2);
  const kept = replaced.kept.name;
  assert.match(kept, /^shop_before_\d{14}$/);
  assert.ok((await databasesOf(shop.server)).includes(kept));
  await shop.expect(0, "accept", replaced.job, "--yes", "shop");

  await shop.expect(0, "restore", "shop", "--to", "good", "--into", "only_users", "--tables", "users");
  assert.deepEqual(
    (await shop.server.db("only_users").listCollections().toArray()).map(({ name }) => name),
    ["users"],
  );
  assert.deepEqual((await databasesOf(shop.server)).sort(), ["only_users", "shop", "shop_new"], "no database of a job's own is left");
  await shop.assertNothingLeft();
});

test("R28 R33 a failing probe and an expiring backup are reported as for every other source", async (t) => {
  const shop = await shopOf(t, {
    source: "policy: short, checks: [{ collection: users, rows: { min: 101 } }]",
    yaml: "policies: { short: { keepManual: 1s } }\n",
  });
  for (const name of ["one", "two", "three"]) await shop.expect(0, "backup", "shop", "--name", name);
  const drilled = (await shop.expect(1, "drill", "shop", "--json")).json().drills[0];
  assert.match(drilled.reasons.join(), /users/);
  await sleep(1_000);
  const [expired] = (await shop.expect(0, "expire", "shop", "--json")).json().sources;
  assert.deepEqual(
    expired.remove.map(({ point }: { point: { name: string } }) => point.name),
    ["one", "two"],
  );
});

test("R22 a plan and a restore refuse one name for several databases before fetching; one of them fits", async (t) => {
  const server = await beginMongoWorld();
  t.after(() => server[Symbol.asyncDispose]());
  await fill(server);
  await server
    .db("stock")
    .collection("parts")
    .insertMany([{ n: 1 }]);
  const world = await beginWorld(t, { sources: {}, mongo: { all: { url: server.url() } } });
  await world.expect(0, "backup", "all", "--name", "good");
  const planned = (await world.run("restore", "all", "--to", "good", "--into", "copy", "--plan", "--json")).json();
  assert.deepEqual(
    planned.refusals.map(({ code }: { code: string }) => code),
    ["RESTORE_TARGET_INVALID"],
  );
  assert.match(planned.refusals[0].message, /several databases \(shop, stock\), which keep their names: copy cannot hold them/);
  const refused = await world.run("restore", "all", "--to", "good", "--into", "copy", "--json");
  assert.deepEqual([refused.exit, refused.code], [2, "RESTORE_TARGET_INVALID"]);
  const { jobs } = (await world.run("jobs", "--json")).json();
  assert.deepEqual(
    jobs.filter(({ verb }: { verb: string }) => verb === "restore"),
    [],
  );
  const only = (
    await world.expect(0, "restore", "all", "--to", "good", "--into", "copy", "--tables", "stock.*", "--plan", "--json")
  ).json();
  assert.deepEqual(only.refusals, []);
  await world.expect(0, "restore", "all", "--to", "good", "--into", "copy", "--tables", "stock.*");
  assert.equal(await server.db("copy").collection("parts").countDocuments(), 1);
});

test("what a MongoDB source cannot do is told before anything is done, and in words of its own", async (t) => {
  const server = await beginMongoWorld();
  t.after(() => server[Symbol.asyncDispose]());
  await fill(server);
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: server.url("shop") } } });
  await world.expect(0, "backup", "shop");
  for (const [args, code] of [
    [["restore", "shop", "--into", "./directory"], "RESTORE_TARGET_INVALID"],
    [["restore", "shop", "--into", "scratch", "--plan"], "RESTORE_TARGET_INVALID"],
    [["backup", "shop", "--kind", "base"], "CAPABILITY_MISSING"],
    [["backup", "shop", "--kind", "data"], "USAGE"],
    [["backup", "shop", "--tables", "nothing"], "TABLE_UNKNOWN"],
    [["export", "shop", "--point", "x", "--bucket", "y"], "CAPABILITY_MISSING"],
    [["plan", "shop"], "CAPABILITY_MISSING"],
  ] as const) {
    const ran = await world.run(...args, "--json");
    assert.deepEqual([ran.exit, ran.code], [2, code], `${args.join(" ")}: ${ran.stderr}`);
  }
  await world.assertNothingLeft();
});

test("R52 init writes a MongoDB or an Atlas source, depending on the variables that are set", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "li-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, variables, wanted] of [
    ["mongodb", { MONGO_URL: "mongodb://127.0.0.1:1/shop" }, /provider: mongodb\n {4}url: \$\{MONGO_URL\}/],
    [
      "atlas",
      { ATLAS_GROUP_ID: "65a1b2c3d4e5f60718293a4b" },
      /provider: atlas\n {4}groupId: \$\{ATLAS_GROUP_ID\}\n {4}cluster: \$\{ATLAS_CLUSTER\}/,
    ],
  ] as const) {
    const file = join(directory, `${name}.yaml`);
    const args = [
      "--config",
      file,
      "init",
      "--repository",
      name,
      "--source",
      "shop",
      "--url-variable",
      "MONGO_URL",
      "--identity-file",
      `${name}.txt`,
    ];
    const env = { PATH: process.env.PATH ?? "", HOME: directory, ...variables };
    const made = spawnSync(PROGRAM, args, { cwd: directory, env, encoding: "utf8" });
    assert.equal(made.status, 0, made.stderr);
    assert.match(readFileSync(file, "utf8"), wanted);
    assert.doesNotMatch(made.stdout, /postgres/);
    // A check of a source of several databases that named none could only be inconclusive.
    const checks = readFileSync(file, "utf8").match(/collection: [^,]*/g) ?? [];
    assert.ok(checks.length > 0 && checks.every((check) => check.includes(".") === (name === "atlas")), checks.join());
  }
  for (const url of ["mongodb:/127.0.0.1/shop", "mongodb://u:s3cret@h:x/shop", "postgres://u:s3cret@h:x/shop", "shop"]) {
    const args = ["--config", "bad.yaml", "init", "--repository", "bad", "--source", "shop", "--url-variable", "MONGO_URL", "--json"];
    const env = { PATH: process.env.PATH ?? "", HOME: directory, MONGO_URL: url };
    const refused = spawnSync(PROGRAM, args, { cwd: directory, env, encoding: "utf8" });
    assert.equal(refused.status, 2, url);
    assert.match(refused.stderr, /CONFIG_INVALID.*the variable MONGO_URL does not hold an address/);
    assert.doesNotMatch(refused.stderr, /s3cret/);
    assert.ok(!existsSync(join(directory, "bad.yaml")));
  }
});

test("R52 a variable of the configuration that a command does not need is not asked for", async (t) => {
  const server = await beginMongoWorld();
  t.after(() => server[Symbol.asyncDispose]());
  await fill(server);
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: server.url("shop"), scratch: `\${SCRATCH_URL}` } } });
  await world.expect(0, "backup", "shop");
  await world.expect(0, "restore", "shop", "--into", "copy");
  const drilled = await world.run("drill", "shop", "--json");
  assert.equal(drilled.code, "SECRET_MISSING");
  assert.match(drilled.message ?? "", /SCRATCH_URL/);
});

test("an unknown host name is told within seconds, and what could not be asked is unknown, not none", async (t) => {
  const nowhere = { apiHost: "https://nowhere.invalid", clientId: "mdb_sa_id_x", clientSecret: "s", groupId: "a".repeat(24), cluster: "c" };
  const env = { ATLAS_USER: "u", ATLAS_PASSWORD: "p" };
  const mongo = { far: { url: "mongodb://nowhere.invalid/shop" } };
  const world = await beginWorld(t, { sources: {}, mongo, atlas: { away: nowhere }, env });
  const { stdout } = await world.run("status", "away");
  assert.match(stdout, /restore points\s+unknown, because the provider could not be asked/);
  assert.match(stdout, /the host of Atlas's API is not known/);
  assert.doesNotMatch(stdout, /NO_BACKUP|restore points\s+none|there is no restore point/);
  const far = await world.run("backup", "far", "--json");
  assert.equal(far.code, "SOURCE_UNREACHABLE");
  assert.match(far.message ?? "", /the host name is not known/);
});

test("SIGTERM ends a command whose server does not answer, and its remains are cleaned up later", async (t) => {
  const shop = await shopOf(t);
  await shop.expect(0, "backup", "shop");
  const { faults } = shop.server.sandbox;
  for (const args of [
    ["restore", "shop", "--into", "copy"],
    ["backup", "shop"],
    ["archive", "shop"],
  ]) {
    const silence = faults.next({ command: args[0] === "restore" ? "createIndexes" : /find|aggregate/, effect: { kind: "stallBefore" } });
    const running = shop.start(...args);
    await silence.firstHit;
    faults.next({ times: Number.POSITIVE_INFINITY, effect: { kind: "stallBefore" } });
    running.kill("SIGTERM");
    const ended = await Promise.race([running.ended, sleep(20_000)]);
    assert.ok(ended, `${args[0]} is still running`);
    assert.ok(ended.exit === 130 || args[0] === "archive", ended.stderr);
    faults.clear();
    const { recovered } = (await shop.expect(0, "jobs", "recover", "--json")).json();
    assert.ok(recovered.every(({ left }: { left: unknown[] }) => left.length === 0));
  }
  assert.deepEqual(await databasesOf(shop.server), ["shop"]);
  await shop.assertNothingLeft();
});
