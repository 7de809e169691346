// A repository that is full, read-only or add-only, and a machine that may not sign: operations that only read work nevertheless, and say where
// it filed what it found; what must write says in one sentence that it cannot; nothing is half done.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Connection } from "../../src/ports/connection.ts";
import { parseWriter } from "../../src/repository/trust.ts";
import { freshDatabase, query, sharedCluster, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();
const SHORT = "policies: { short: { keepManual: 1s } }";

interface Place extends World {
  readonly state: string;
  /** Names of objects under a prefix of the repository. */
  objects(prefix: string): string[];
}

async function smallSource(): Promise<Connection> {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 200) i",
  );
  return source;
}

function stateIn(world: World): string {
  const state = join(world.directory, "state");
  mkdirSync(state, { mode: 0o700 });
  editConfig(world, (text) => `${text}\ntools: { stateDirectory: "${state}" }\n`);
  return state;
}

async function inBucket(t: TestContext) {
  const server = await startSandboxedS3();
  t.after(() => server.stop());
  const source = await smallSource();
  const world = await beginWorld(t, { sources: { shop: source }, s3: server.sandbox, yaml: SHORT, source: "policy: short" });
  const place: Place = {
    ...world,
    state: stateIn(world),
    objects: (prefix) => [...server.sandbox.store.objects.keys()].filter((key) => key.startsWith(`repo/${prefix}`)).sort(),
  };
  for (let n = 0; n < 3; n++) await world.expect(0, "backup", "shop");
  return { world: place, source, s3: server.sandbox };
}

const asideOf = ({ state }: Place): string => {
  const name = readdirSync(state).find((one) => /^aside-[0-9a-f]+$/.test(one));
  return join(state, name ?? "none");
};

const leasesIn = (folder: string): string[] => (existsSync(join(folder, "leases")) ? readdirSync(join(folder, "leases")) : []);

/** What only reads: done, with its records on this machine. */
async function assertReads(world: Place, point: string, into: string): Promise<void> {
  for (const args of [["list"], ["show", point], ["jobs"]]) await world.expect(0, ...args);
  assert.ok([3, 4].includes((await world.run("status")).exit ?? 0));
  const verified = await world.expect(0, "verify", point, "--json");
  assert.equal(verified.json().verdict, "pass");
  for (const args of [
    ["drill", "shop", "--json"],
    ["restore", "shop", "--into", into, "--json"],
  ]) {
    const ran = await world.expect(0, ...args);
    const { drills: [found = ran.json()] = [] } = ran.json();
    const { verdict, evidence, filedIn, remarks } = found;
    assert.equal(verdict, "pass", args[0]);
    assert.equal(filedIn, asideOf(world), args[0]);
    assert.ok(existsSync(join(filedIn, evidence)), args[0]);
    assert.match(remarks.join("\n"), /filed on this machine: .* cannot be written/, args[0]);
  }
  assert.deepEqual(leasesIn(asideOf(world)), [], "no lease is left");
}

async function assertRefused(world: Place, point: string, code: RegExp): Promise<void> {
  for (const args of [
    ["backup", "shop"],
    ["hold", point],
  ]) {
    const ran = await world.run(...args);
    assert.match(ran.code ?? "", code, `${args.join(" ")}: ${ran.stderr}`);
    assert.equal(ran.stderr.match(/^error /gm)?.length, 1, ran.stderr);
  }
}

const points = async (world: World): Promise<string[]> =>
  ((await world.expect(0, "list", "shop", "--json")).json().points as { id: string }[]).map(({ id }) => id);

test("R33 a full repository: what reads works, expire makes room, and evidence comes over afterwards", { skip }, async (t) => {
  const { world, s3 } = await inBucket(t);
  const [first = "", , newest = ""] = await points(world);
  const before = world.objects("");
  s3.faults.capacityBytes = s3.store.usedBytes;
  await assertReads(world, newest, "restored_full");
  await assertRefused(world, newest, /^STORAGE_FULL$/);
  assert.deepEqual(world.objects(""), before, "nothing was left in it");
  const expired = await world.expect(0, "expire", "shop");
  assert.match(expired.stdout, /2 removed|removed/);
  assert.deepEqual(await points(world), [newest]);
  assert.deepEqual(
    world.objects("sources/shop/backups/").filter((key) => key.includes(first)),
    [],
  );
  s3.faults.capacityBytes = Number.POSITIVE_INFINITY;
  const brought = await world.expect(0, "jobs", "recover");
  assert.match(brought.stdout, /evidence\/shop\/.*brought into the repository/);
  assert.equal(world.objects("evidence/shop/").filter((key) => key.endsWith("evidence.json")).length, 2);
  assert.match((await world.run("status")).stdout, /last drill +pass/);
  const { points: now } = (await world.expect(0, "list", "shop", "--json")).json();
  assert.ok(now[0].verifiedAt !== null && now[0].verifiedAt !== undefined, "and with it the mark");
  await world.expect(0, "backup", "shop");
  await world.assertNothingLeft();
});

test("R33 a read-only bucket: what reads works, expire removes nothing and says so", { skip }, async (t) => {
  const { world, s3 } = await inBucket(t);
  const all = await points(world);
  const denied = { kind: "status", status: 403, code: "AccessDenied" } as const;
  for (const operation of ["PutObject", "DeleteObject", "CreateMultipartUpload", "CopyObject"] as const)
    s3.faults.next({ operation, times: Number.POSITIVE_INFINITY, effect: denied });
  const before = world.objects("");
  await assertReads(world, all.at(-1) ?? "", "restored_read_only");
  await assertRefused(world, all.at(-1) ?? "", /^STORAGE_AUTH$/);
  const expired = await world.expect(3, "expire", "shop");
  assert.match(expired.stdout, /nothing can be removed from here/);
  assert.deepEqual(world.objects(""), before);
  s3.faults.clear();
  assert.deepEqual(await points(world), all);
  assert.match((await world.expect(0, "jobs", "recover")).stdout, /brought into the repository/);
  await world.assertNothingLeft();
});

test("R33 with append-only credentials backups and holds work repeatedly, and expire is atomic", {
  skip,
}, async (t) => {
  const { world, s3 } = await inBucket(t);
  const all = await points(world);
  const denied = { kind: "status", status: 403, code: "AccessDenied" } as const;
  s3.faults.next({ operation: "DeleteObject", times: Number.POSITIVE_INFINITY, effect: denied });
  for (let n = 0; n < 2; n++) await world.expect(0, "backup", "shop");
  await world.expect(0, "hold", all[0] ?? "");
  await world.expect(0, "drill", "shop");
  const removals = world.objects("sources/shop/").filter((key) => key.includes("removals"));
  const expired = await world.expect(3, "expire", "shop", "--most");
  assert.match(expired.stdout, /nothing can be removed from here/);
  assert.deepEqual(
    world.objects("sources/shop/").filter((key) => key.includes("removals")),
    removals,
    "no removal is claimed",
  );
  assert.equal((await points(world)).length, 5);
  s3.faults.clear();
  await world.expect(0, "jobs", "recover");
  await world.assertNothingLeft();
});

test("R33 a repository on a read-only, and on a full, file system of its own", { skip }, async (t) => {
  const world = await beginWorld(t, { sources: { shop: await smallSource() }, yaml: SHORT, source: "policy: short" });
  const mount = (...options: string[]): void => void execFileSync("mount", [...options, world.repository], { stdio: "ignore" });
  try {
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs");
  } catch {
    return t.skip("a small file system cannot be mounted here");
  }
  try {
    await world.expect(0, "init");
    const place: Place = {
      ...world,
      state: stateIn(world),
      objects: (prefix) => readdirSync(world.repository, { recursive: true, encoding: "utf8" }).filter((name) => name.startsWith(prefix)),
    };
    for (let n = 0; n < 3; n++) await world.expect(0, "backup", "shop");
    const all = await points(world);
    mount("-o", "remount,ro");
    await assertReads(place, all.at(-1) ?? "", "restored_ro");
    await assertRefused(place, all.at(-1) ?? "", /^STORAGE_REFUSED$/);
    assert.match((await world.run("check")).stdout, /fail +repository: writing leases\/check-.*read-only\n +next: mount it writable/);
    assert.match((await world.expect(3, "expire", "shop")).stdout, /nothing can be removed from here/);
    mount("-o", "remount,rw");
    try {
      writeFileSync(join(world.repository, "filler"), Buffer.alloc(8 * 1024 ** 2));
    } catch {
      // it is full
    }
    await assertReads(place, all.at(-1) ?? "", "restored_full_disk");
    await assertRefused(place, all.at(-1) ?? "", /^STORAGE_FULL$/);
    await world.expect(0, "expire", "shop");
    assert.deepEqual(await points(world), [all.at(-1)]);
    execFileSync("rm", [join(world.repository, "filler")]);
    assert.match((await world.expect(0, "jobs", "recover")).stdout, /brought into the repository/);
    await world.assertNothingLeft();
  } finally {
    execFileSync("umount", [world.repository]);
  }
});

test("R33 R56 a machine without a writer key restores, drills and verifies, and keeps the records locally", { skip }, async (t) => {
  const { world } = await inBucket(t);
  const [newest = ""] = (await points(world)).slice(-1);
  const { publicKey } = parseWriter(readFileSync(join(world.directory, "writer.pem"), "utf8"), "the test's");
  editConfig(world, (text) => text.replace(/signing: \{[^}]+\}/, `signing: { trusted: ["${publicKey.text}"] }`));
  await assertReads(world, newest, "restored_keyless");
  await assertRefused(world, newest, /^KEY_MISSING$/);
  assert.match((await world.run("jobs", "recover")).stdout, /left on this machine, because it was signed by this machine alone/);
  assert.equal(world.objects("evidence/").length, 0);
  await world.assertNothingLeft();
});

const databases = async (): Promise<string[]> =>
  (await query<{ d: string }>((await sharedCluster()).connection("postgres"), "select datname::text as d from pg_database")).map(
    ({ d }) => d,
  );

test("R33 a restore killed while the repository is full leaves nothing after the next start", { skip }, async (t) => {
  const { world, s3 } = await inBucket(t);
  s3.faults.capacityBytes = s3.store.usedBytes;
  const before = await databases();
  const running = world.start("restore", "shop", "--into", "restored_killed");
  let over = false;
  void running.ended.then(() => {
    over = true;
  });
  const made = async (): Promise<string[]> => (await databases()).filter((name) => !before.includes(name));
  while (!over && (await made()).length === 0) await sleep(5);
  running.kill("SIGKILL");
  await running.ended;
  assert.ok(over ? true : (await made()).length > 0);
  const next = await world.expect(0, "verify", (await points(world))[0] ?? "");
  if ((await made()).includes("restored_killed")) return t.diagnostic("it was done before it was killed");
  assert.match(next.stderr, /cleaned up after job/);
  assert.deepEqual(await made(), []);
  assert.deepEqual(leasesIn(asideOf(world)), []);
  await world.assertNothingLeft();
});
