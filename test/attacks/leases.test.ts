// What lies among the leases of a repository that others can write to: every command meets it, over the real program.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { LEASE_TERM_MS } from "../../src/repository/lease-files.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";
import type { S3Emulator } from "../support/s3/emulator.ts";
import { startSandboxedS3 } from "../support/s3-sandbox.ts";

const skip = skipWithoutPostgres();
const EXPIRING = "policies: { short: { keepManual: 1d } }";

interface Planted extends World {
  readonly s3: S3Emulator;
  /** Moves the storage's clock on. */
  pass(ms: number): void;
  plant(name: string, content: string | Uint8Array): Promise<void>;
  leases(): string[];
}

async function smallSource(): Promise<Awaited<ReturnType<typeof freshDatabase>>> {
  const source = await freshDatabase();
  await query(
    source,
    "create table public.t (id int primary key, v text); insert into t select i, md5(i::text) from generate_series(1, 200) i",
  );
  return source;
}

/** Two sources with a backup each, in a bucket whose clock the test drives. */
async function plantable(t: TestContext): Promise<Planted> {
  let aheadMs = 0;
  const server = await startSandboxedS3({ clock: () => Date.now() + aheadMs });
  t.after(() => server.stop());
  const sources = { shop: await smallSource(), crm: await smallSource() };
  const world = await beginWorld(t, { sources, s3: server.sandbox, yaml: EXPIRING, source: "policy: short" });
  for (const source of ["shop", "crm"]) await world.expect(0, "backup", source);
  const storage = server.open({ prefix: "repo" });
  return {
    ...world,
    s3: server.sandbox,
    pass: (ms) => {
      aheadMs += ms;
    },
    plant: async (name, content) =>
      void (await storage.put(name, typeof content === "string" ? new TextEncoder().encode(content) : content)),
    leases: () => [...server.sandbox.store.objects.keys()].filter((key) => key.startsWith("repo/leases/")),
  };
}

const JOB = "01zzzzzzzzzzzz";

/** A lease of another machine that claims never to expire. */
const foreign = (verb: string, source: string, more: Record<string, unknown> = {}): string =>
  JSON.stringify({
    ...{ job: JOB, journal: `jobs/2026/11/21/${JOB}.json`, verb, source },
    owner: { user: "mallory", host: "elsewhere", machine: "elsewhere", pid: 1, startedTicks: "1" },
    ...{ acquiredAt: "2026-11-21T03:00:00.000Z", expiresAt: "2999-01-01T00:00:00.000Z" },
    ...more,
  });

/** What was planted when the attack was carried out. */
const PLANTED: readonly (readonly [what: string, content: string | Uint8Array])[] = [
  ["empty", ""],
  ["damaged", '{"job": "j1", "jour'],
  ["an empty object", "{}"],
  ["a list", "[1, 2]"],
  ["of 100 MB", Buffer.alloc(100 * 1024 ** 2, " ")],
  ["with another job's journal", foreign("restore", "shop", { journal: "jobs/2026/11/21/01zzzzzzzzzzzy.json" })],
];

interface Reason {
  readonly code: string;
  readonly message: string;
}

async function reasonsOf(world: World, source: string, code: string): Promise<string[]> {
  const { sources } = (await world.run("status", "--json")).json() as { sources: { name: string; verdict: string; reasons: Reason[] }[] };
  const found = sources.find((one) => one.name === source);
  assert.notEqual(found?.verdict, "pass");
  return (found?.reasons ?? []).filter((reason) => reason.code === code).map(({ message }) => message);
}

test("R33 R56 with invalid files among the leases every command works, and status names each file", { skip }, async (t) => {
  const world = await plantable(t);
  const { points } = (await world.expect(0, "list", "shop", "--json")).json();
  const nameOf = (n: number): string => `leases/drill-shop-01zzzzzzzzzzz${n}.json`;
  const plant = async (): Promise<void> => {
    for (const [n, [, content]] of PLANTED.entries()) await world.plant(nameOf(n), content);
  };
  await plant();
  for (const [exit, ...args] of [
    [0, "verify", points[0].id],
    [0, "list"],
    [0, "drill", "shop"],
    [0, "restore", "shop", "--into", "restored"],
    [0, "hold", points[0].id],
    [0, "release", points[0].id],
    [0, "backup", "shop"],
    [0, "expire"],
    [0, "backup", "crm"],
  ] as const) {
    const ran = await world.run(...args);
    assert.equal(ran.exit, exit, `lifeboat ${args.join(" ")} ended with ${ran.exit}\n${ran.stderr}\n${ran.stdout}`);
  }
  const named = await reasonsOf(world, "shop", "LEASE_INVALID");
  const listed = (await world.expect(0, "jobs")).stdout;
  // On a busy machine the commands above take longer than a lease's term.
  await plant();
  const young = (await world.expect(3, "jobs", "recover")).stdout;
  world.pass(LEASE_TERM_MS + 31_000);
  const old = (await world.expect(0, "jobs", "recover")).stdout;
  for (const [n, [what]] of PLANTED.entries()) {
    assert.match(named[n] ?? "", new RegExp(nameOf(n)), what);
    assert.match(listed, new RegExp(nameOf(n)), what);
    assert.match(young, new RegExp(`${nameOf(n)}.*left`), what);
    assert.match(old, new RegExp(`${nameOf(n)}.*removed`), what);
  }
  assert.deepEqual(await reasonsOf(world, "crm", "LEASE_INVALID"), [], "it does not concern another source");
  assert.deepEqual(world.leases(), []);
});

test("R56 a lease of the year 2999 blocks nothing longer than a lease's term, and status shows it", { skip }, async (t) => {
  const world = await plantable(t);
  const { points } = (await world.expect(0, "list", "shop", "--json")).json();
  await world.plant("leases/expire-shop.json", foreign("expire", "shop"));
  await world.plant(`leases/restore-shop-${JOB}.json`, foreign("restore", "shop", { point: points[0].id }));
  const refused = await world.expect(11, "expire", "shop");
  assert.match(refused.stderr, /mallory on elsewhere/);
  for (const args of [
    ["verify", points[0].id],
    ["drill", "shop"],
    ["expire", "crm"],
    ["backup", "shop"],
  ])
    await world.expect(0, ...args);
  assert.match((await reasonsOf(world, "shop", "CLOCK_OFF")).join("\n"), /2999/);
  assert.deepEqual(await reasonsOf(world, "crm", "CLOCK_OFF"), []);
  world.pass(LEASE_TERM_MS + 31_000);
  assert.match((await reasonsOf(world, "shop", "JOB_ABANDONED")).join("\n"), /jobs recover/);
  const cleaned = await world.expect(0, "expire", "shop");
  assert.match(cleaned.stderr, /cleaned up after job 01zzzzzzzzzzzz/);
  assert.deepEqual(world.leases(), []);
  await world.expect(0, "expire", "shop");
});

test("R56 an empty file under the name of a source's lease blocks only that source, for a term", { skip }, async (t) => {
  const world = await plantable(t);
  await world.plant("leases/backup-shop.json", "");
  await world.expect(11, "backup", "shop");
  for (const args of [
    ["backup", "crm"],
    ["drill", "shop"],
    ["expire", "shop"],
  ])
    await world.expect(0, ...args);
  world.pass(LEASE_TERM_MS + 31_000);
  await world.expect(0, "backup", "shop");
  assert.deepEqual(world.leases(), []);
});

test("R33 a machine whose clock is hours off works, is warned, and ends no job of another machine", { skip }, async (t) => {
  const world = await plantable(t);
  const running = foreign("restore", "shop", { expiresAt: new Date(Date.now() + 5 * 3_600_000).toISOString() });
  world.pass(5 * 3_600_000);
  await world.plant(`leases/restore-shop-${JOB}.json`, running);
  await world.expect(0, "backup", "shop");
  assert.deepEqual(world.leases(), [`repo/leases/restore-shop-${JOB}.json`], "it was written a moment ago, by the only clock that counts");
  assert.match((await reasonsOf(world, "shop", "CLOCK_OFF"))[0] ?? "", /this machine's clock .* 5h apart/);
  const { findings } = (await world.run("check", "--json")).json();
  const clock = findings.find(({ name }: { name: string }) => name === "clock");
  assert.deepEqual([clock.outcome, clock.code], ["inconclusive", "CLOCK_OFF"]);
});
