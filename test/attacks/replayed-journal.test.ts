// An old journal of our own, signed by our own key, is put back after its job was cleaned up: what has its names since is not touched.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connectionFromUrl, withDatabase } from "../../src/engines/mongodb/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { Resource } from "../../src/ports/resource.ts";
import { programsWith } from "../support/faults.ts";
import { mongoWorld } from "../support/oplog.ts";
import { clearLeases, forget, keepJobs, keyOf, newJobId, plantJob } from "../support/planted.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();
/** The program that loads hangs as soon as it is to write. */
const HANG = `for arg in "$@"; do case "$arg" in --dbname*) exec sleep 1000;; esac; done; exec "$REAL" "$@"`;

async function begin(t: TestContext, more = "", yaml = ""): Promise<{ readonly world: World; readonly source: Connection }> {
  const source = await freshDatabase();
  await query(source, "create table public.t (id int primary key); insert into t select generate_series(1, 10)");
  const bin = await programsWith(t, HANG.replaceAll('"$REAL"', '"$REAL/pg_restore"'), "pg_restore");
  const world = await beginWorld(t, {
    sources: { shop: source },
    yaml: `tools: { postgres: ${JSON.stringify(bin)} }\n${yaml}`,
    source: more || "checks: []",
  });
  await world.expect(0, "backup", "shop");
  return { world, source };
}

const server = async (): Promise<Connection> => (await sharedCluster()).connection("postgres");

/**
 * Kills the command once it is `ready`, cleans up, and creates objects of another owner in the same places (`remake`, which returns a
 * function to examine them). Then the old journal is put back, first with this machine's memory and then without.
 */
async function replay(
  world: World,
  args: readonly string[],
  ready: () => Promise<boolean>,
  remake: (removed: readonly Resource[]) => Promise<() => Promise<void>>,
): Promise<void> {
  const running = world.start(...args);
  let ended: string | undefined;
  void running.ended.then(({ stderr }) => {
    ended = stderr;
  });
  while (!(await ready())) {
    assert.equal(ended, undefined);
    await sleep(50);
  }
  await sleep(300);
  const kept = keepJobs(world);
  running.kill("SIGKILL");
  await running.ended;
  const [recovered] = (await world.expect(0, "jobs", "recover", "--json")).json().recovered;
  assert.ok(recovered.removed.length > 0);
  const look = await remake(recovered.removed);
  for (const known of [true, false]) {
    if (!known) forget(world);
    kept.putBack();
    const ran = await world.run("jobs", "recover");
    assert.doesNotMatch(ran.stdout + ran.stderr, /removed: /, `known: ${known}`);
    await look();
    if (known) assert.match(ran.stdout, /it ended on this machine, and its journal was put back since/);
  }
  await world.run("verify");
  await look();
}

/** The role that loads is the last thing that a restore makes before its program hangs. */
const loading = async (): Promise<boolean> =>
  (await query(await server(), "select from pg_roles where rolname like 'lifeboat\\_load\\_%'")).length > 0;

const kinds = (removed: readonly Resource[]): string[] => removed.map(({ kind }) => kind).sort();

/** A directory with a file of another owner in place of the removed one. */
function occupy(path: string): () => void {
  mkdirSync(path);
  writeFileSync(join(path, "mine"), "x");
  return () => assert.equal(readFileSync(join(path, "mine"), "utf8"), "x");
}

async function occupyDatabase(name: string): Promise<() => Promise<void>> {
  const made = await freshDatabase(name);
  await query(made, "create table mine (id int)");
  return async () => assert.deepEqual(await query(made, "select count(*)::int as n from mine"), [{ n: 0 }]);
}

test("R56 the old journal of a killed restore drops no database and no directory that has its names since", { skip }, async (t) => {
  const { world } = await begin(t);
  await replay(world, ["restore", "shop", "--into", "half"], loading, async (removed) => {
    assert.deepEqual(kinds(removed), ["database", "loader", "spool"]);
    const look = await occupyDatabase(removed.find(({ kind }) => kind === "database")?.locator.name ?? "");
    const lookAt = occupy(dirname(removed.find(({ kind }) => kind === "spool")?.locator.path ?? ""));
    return async () => {
      await look();
      lookAt();
    };
  });
});

test("R56 the old journal of a killed drill removes no directory that has the name of its cluster since", { skip }, async (t) => {
  const { world } = await begin(t);
  const running = (): string | undefined =>
    readdirSync(world.temporary)
      .map((name) => join(world.temporary, name))
      .find((path) => /lifeboat-\w+-\w{6}$/.test(path) && existsSync(join(path, "data")));
  let cluster: string | undefined;
  await replay(
    world,
    ["drill", "shop"],
    async () => {
      cluster = running();
      return cluster !== undefined;
    },
    async () => {
      assert.ok(cluster !== undefined && !existsSync(cluster));
      const look = occupy(cluster);
      return async () => look();
    },
  );
});

test("R56 the old journal of a killed drill on a scratch server drops no database that has its name since", { skip }, async (t) => {
  const scratch = await freshDatabase();
  const { world } = await begin(t, `scratch: { url: ${JSON.stringify(scratch.url)} }`, "scratch: { isolation: none }\n");
  await replay(world, ["drill", "shop"], loading, async (removed) => {
    assert.ok(kinds(removed).includes("scratch-database"), JSON.stringify(removed));
    return await occupyDatabase(removed.find(({ kind }) => kind === "scratch-database")?.locator.database ?? "");
  });
});

test("R56 the old journal of a killed MongoDB restore drops no other database of that name", async (t) => {
  const source = await mongoWorld(t);
  await source
    .db()
    .collection("users")
    .insertMany([{ n: 1 }, { n: 2 }]);
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  await world.expect(0, "backup", "shop");
  const fault = { command: "insert", db: "fresh", skip: 1, effect: { kind: "stallAfter" } } as const;
  let hit = false;
  const stall = (): void => {
    hit = false;
    void source.sandbox.faults.next(fault).firstHit.then(() => {
      hit = true;
    });
  };
  stall();
  await replay(
    world,
    ["restore", "shop", "--into", "fresh"],
    async () => hit,
    async () => {
      source.sandbox.faults.clear();
      await source.db("fresh").collection("users").insertOne({ mine: true });
      return async () => assert.equal(await source.db("fresh").collection("users").countDocuments(), 1);
    },
  );
  await source.db("fresh").dropDatabase();
  stall();
  const first = world.start("restore", "shop", "--into", "fresh");
  while (!hit) await sleep(20);
  const kept = keepJobs(world);
  first.kill("SIGKILL");
  await first.ended;
  source.sandbox.faults.clear();
  await world.run("jobs", "recover");
  assert.deepEqual(await source.db("fresh").listCollections().toArray(), []);
  stall();
  const second = world.start("restore", "shop", "--into", "fresh");
  while (!hit) await sleep(20);
  forget(world);
  kept.putBack();
  const ran = await world.run("jobs", "recover");
  assert.match(ran.stdout, /its mark is not that of the job that is cleaned up/);
  assert.ok((await source.db("fresh").listCollections().toArray()).length > 0, "the other job continues");
  second.kill("SIGKILL");
  await second.ended;
  source.sandbox.faults.clear();
});

test("R56 a planted journal drops no MongoDB database of any name", async (t) => {
  const source = await mongoWorld(t);
  for (const name of ["shop", "payroll"]) await source.db(name).collection("users").insertOne({ n: 1 });
  const world = await beginWorld(t, { sources: {}, mongo: { shop: { url: source.url("shop") } } });
  const id = newJobId();
  await source.db(`lifeboat_${id}`).collection("users").insertOne({ n: 1 });
  const { label } = withDatabase(connectionFromUrl(source.url("shop")), undefined);
  const names = ["shop", "payroll", `lifeboat_${id}`];
  const planted = [...names, ""].map((name) => ({ kind: "database", locator: { source: "shop", server: label, name } }));
  for (const key of [undefined, keyOf(world)]) {
    await plantJob(world, planted, { key, id });
    const ran = await world.run("jobs", "recover");
    assert.doesNotMatch(ran.stdout, /removed: /);
    for (const name of names) assert.equal(await source.db(name).collection("users").countDocuments(), 1, name);
    clearLeases(world);
  }
});
