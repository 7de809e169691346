// An attacker who can write to the storage plants journals, or puts old ones back. A journal says where to look, and nothing more.
import assert from "node:assert/strict";
import { chownSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connectionFromUrl, partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { Resource } from "../../src/ports/resource.ts";
import { thisOwner } from "../../src/repository/owner.ts";
import { generateWriter } from "../../src/repository/trust.ts";
import { clearLeases, keyOf, newJobId, plantJob, trust } from "../support/planted.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const skip = skipWithoutPostgres();

async function filled(name?: string): Promise<Connection> {
  const database = await freshDatabase(name);
  await query(database, "create table public.t (id int primary key); insert into t select generate_series(1, 10)");
  return database;
}

const rows = async (database: Connection): Promise<unknown> => (await query(database, "select count(*)::int as n from public.t"))[0]?.n;

/** Who signs what is planted. One that this machine signed is more than an attacker can make, and as much as can be put back. */
async function eachSigner(world: World, act: (key: string | undefined, who: string) => Promise<void>): Promise<void> {
  const other = generateWriter();
  trust(world, other.publicKey);
  const signers = { "no key": undefined, "another trusted writer": other.pem, "this very writer": keyOf(world) };
  for (const [who, key] of Object.entries(signers)) {
    await act(key, who);
    clearLeases(world);
  }
}

/** Everything is left and named, and nothing is called clean. */
async function assertAllLeft(world: World, count: number, who: string): Promise<void> {
  const { recovered } = (await world.expect(3, "jobs", "recover", "--json")).json();
  assert.equal(recovered.length, 1, who);
  assert.deepEqual(recovered[0].removed, [], who);
  assert.equal(recovered[0].left.length, who === "no key" ? 1 : count, `${who}: ${JSON.stringify(recovered[0].left)}`);
  const said = await world.expect(3, "jobs", "recover");
  assert.doesNotMatch(said.stdout + said.stderr, /cleaned up after|: cleaned up/, who);
  assert.match(said.stdout, /not everything could be removed[\s\S]*still there: /, who);
}

async function beginShop(t: TestContext): Promise<World & { readonly shop: Connection }> {
  const shop = await filled();
  return { ...(await beginWorld(t, { sources: { shop } })), shop };
}

test("R56 a planted journal, signed by any key, drops no database, and the next job continues with a note", { skip }, async (t) => {
  const world = await beginShop(t);
  const payroll = await filled();
  const id = newJobId();
  const byName = await filled(`lifeboat_${id}`);
  const { label } = connectionFromUrl(world.shop.url);
  const drop = (name: string): Resource => ({ kind: "database", locator: { source: "shop", server: label, name } });
  const victims = [world.shop, payroll, byName];
  await eachSigner(world, async (key, who) => {
    await plantJob(
      world,
      victims.map((one) => drop(partsOf(one).database)),
      { key, id },
    );
    await assertAllLeft(world, victims.length, who);
    for (const victim of victims) assert.equal(await rows(victim), 10, who);
    const { stderr } = await world.expect(0, "backup", "shop");
    assert.match(stderr, /could not clean up everything after job/, who);
    for (const victim of victims) assert.equal(await rows(victim), 10, who);
  });
});

test("R56 a planted lease whose journal lies elsewhere is named, and nothing in that object is acted upon", { skip }, async (t) => {
  const world = await beginShop(t);
  const { label } = connectionFromUrl(world.shop.url);
  const { database } = partsOf(world.shop);
  for (const journal of ["marks/j.json", "jobs/../jobs/2026/11/21/j.json", "sources/shop/marks/x.json", "/etc/passwd"]) {
    await plantJob(world, [{ kind: "database", locator: { source: "shop", server: label, name: database } }], { journal });
    const said = await world.run("jobs", "recover");
    assert.doesNotMatch(said.stdout + said.stderr, /cleaned up after|removed: /);
    assert.equal(await rows(world.shop), 10);
    clearLeases(world);
  }
});

test("R56 a planted journal deletes no directory, with a note of another user or a link or without", { skip }, async (t) => {
  const world = await beginShop(t);
  const host = hostname();
  const id = newJobId();
  const home = join(world.directory, "home");
  const make = (name: string, ...inside: string[]): string => {
    const path = join(home, name);
    mkdirSync(path, { recursive: true });
    for (const folder of inside) mkdirSync(join(path, folder), { recursive: true });
    writeFileSync(join(path, ...inside.slice(0, 1), "precious"), "x");
    return path;
  };
  // Parts that a recovery's own directory has, and nothing else: without a note that once was proof enough.
  const work = make("site.lifeboat", "log", "conf");
  const tablespaces = make("site-tablespaces");
  const directory = make("site");
  const cluster = make(`lifeboat-${id}-abc`);
  const spool = make(`lifeboat-${id}.spool`);
  const real = make("real");
  const linked = join(home, "links", `lifeboat-${id}.spool`);
  mkdirSync(join(home, "links"));
  symlinkSync(real, linked);
  symlinkSync(real, join(home, "linked.lifeboat"));
  const noted = make("noted.lifeboat");
  const note = { lifeboat: "cluster", jobId: id, host, data: real, unfinished: { tablespaces, existed: true } };
  writeFileSync(join(noted, "lifeboat.json"), JSON.stringify(note), { mode: 0o600 });
  if (process.getuid?.() === 0) for (const path of [noted, join(noted, "lifeboat.json")]) chownSync(path, 1, 1);
  const recovery = (place: string): Resource => ({
    kind: "recovery",
    locator: { directory, work: place, tablespaces, jobId: id, host, existed: "no" },
  });
  const { machine } = thisOwner();
  const resources: Resource[] = [
    ...[work, noted, join(home, "linked.lifeboat")].map(recovery),
    { kind: "postgres-cluster", locator: { directory: cluster, jobId: id, host } },
    ...[spool, linked].map((path) => ({ kind: "spool", locator: { path: join(path, "archive"), machine } })),
  ];
  await eachSigner(world, async (key, who) => {
    await plantJob(world, resources, { key, id });
    await assertAllLeft(world, resources.length, who);
    for (const path of [join(work, "log"), tablespaces, directory, cluster, spool, real, noted])
      assert.equal(readFileSync(join(path, "precious"), "utf8"), "x", `${who}: ${path}`);
    assert.ok(existsSync(linked), who);
  });
});

test("R56 for another trusted writer's journal only its unfinished backup is deleted, and the rest named", {
  skip,
}, async (t) => {
  const world = await beginShop(t);
  const other = generateWriter();
  trust(world, other.publicKey);
  const folder = "20261121T031500Z-full-0dka1v00000000";
  const unfinished = join(world.repository, "sources/shop/backups", folder);
  const plantFolder = (): void => {
    mkdirSync(unfinished, { recursive: true });
    writeFileSync(join(unfinished, "data.zst.age"), "half");
  };
  const backup = { kind: "backup", locator: { source: "shop", folder } };
  plantFolder();
  const id = await plantJob(world, [backup, { kind: "replication-slot", locator: { name: "s" } }], { key: other.pem });
  const [recovered] = (await world.expect(3, "jobs", "recover", "--json")).json().recovered;
  assert.deepEqual([recovered.removed.map(({ kind }: Resource) => kind), existsSync(unfinished)], [["backup"], false]);
  assert.match(recovered.left[0].why, /another writer made it: run `lifeboat jobs recover` with its key/);
  const [job] = (await world.expect(0, "jobs", "--json")).json().jobs;
  assert.deepEqual([job.id, job.state], [id, "abandoned"], "its journal stays as its writer left it");
  clearLeases(world);
  plantFolder();
  await plantJob(world, [backup], { key: other.pem });
  await world.expect(0, "jobs", "recover");
  assert.equal(existsSync(unfinished), false);
  plantFolder();
  await plantJob(world, [backup]);
  await world.expect(3, "jobs", "recover");
  assert.equal(existsSync(unfinished), true, "a journal that no trusted key signed removes not even that");
});
