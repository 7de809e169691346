import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { isLifeboatError } from "../../../../src/core/errors.ts";
import { baseEnvironment } from "../../../../src/process/environment.ts";
import { startTimeOf } from "../../../../src/process/marks.ts";
import { runProgram } from "../../../../src/process/run.ts";
import { column, fleetDirectory, SHOP, TABLE, testFleet } from "../../../../test/support/fleet.ts";
import { postgresBin, skipWithoutPostgres } from "../../../../test/support/postgres.ts";
import { openFleet } from "./fleet.ts";
import type { ComputeProxy } from "./fleet-types.ts";
import { placeOf, removeStaleFleets } from "./place.ts";

const needsServer = { skip: skipWithoutPostgres() };
const until = async (done: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await done())) await sleep(20);
};
const serverOf = (directory: string, line: string): number =>
  Number(readFileSync(join(placeOf(directory).lines, line, "data", "postmaster.pid"), "utf8").split("\n")[0]);

/** The real psql through a proxy, like an application: password and TLS. */
async function psqlThrough(
  proxy: ComputeProxy,
  sql: string,
  options: Readonly<Record<string, string>> = {},
): Promise<{ output: string; fault: string }> {
  const { status, stdout, end } = await runProgram(join(postgresBin(), "psql"), ["-X", "-A", "-t", "-c", sql], {
    env: {
      ...baseEnvironment(),
      ...{ PGHOST: proxy.host, PGPORT: String(proxy.port), PGUSER: "owner", PGPASSWORD: "open sesame", PGDATABASE: "shop" },
      ...{ PGSSLMODE: "require", PGCHANNELBINDING: "require", PGCONNECT_TIMEOUT: "60", ...options },
    },
    timeoutMs: 60_000,
  });
  return status === 0 ? { output: stdout.trim(), fault: "" } : { output: "", fault: end };
}

test("psql connects through a proxy with a password, TLS and channel binding, and not otherwise", needsServer, async (t) => {
  const { fleet } = await testFleet(t);
  const line = await fleet.createLine({ sql: SHOP });
  await fleet.setPassword(line, "owner", "open sesame");
  const proxy = await fleet.openProxy(() => fleet.start(line));
  assert.match(proxy.host, /^127\./);
  assert.equal(fleet.isRunning(line), false);
  const encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
  assert.deepEqual(await psqlThrough(proxy, encrypted), { output: "t", fault: "" });
  assert.equal(fleet.isRunning(line), true);
  assert.match((await psqlThrough(proxy, "select 1", { PGPASSWORD: "wrong" })).fault, /password authentication failed/);
  assert.match((await psqlThrough(proxy, "select 1", { PGUSER: "cloud_admin" })).fault, /password authentication failed/);
  assert.match((await psqlThrough(proxy, "select 1", { PGSSLMODE: "disable", PGCHANNELBINDING: "disable" })).fault, /no encryption/);
  await fleet.setPassword(line, "owner", "changed");
  assert.equal((await psqlThrough(proxy, "select 1", { PGPASSWORD: "changed" })).output, "1");
});

test("many clients of a sleeping compute wake it once, and are all served", needsServer, async (t) => {
  const { fleet } = await testFleet(t);
  const line = await fleet.createLine({ sql: SHOP });
  await fleet.setPassword(line, "owner", "open sesame");
  let wakes = 0;
  const proxy = await fleet.openProxy(async () => {
    wakes++;
    return await fleet.start(line);
  });
  const clients = Array.from({ length: 12 }, () => {
    const at = { host: proxy.host, port: proxy.port, user: "owner", password: "open sesame", database: "shop" };
    return new pg.Client({ ...at, ssl: { rejectUnauthorized: false } });
  });
  await Promise.all(clients.map((client) => client.connect()));
  assert.equal(wakes, 1);
  assert.equal(proxy.connections, 12);
  const cut = clients.map((client) => new Promise((resolve) => client.on("error", resolve)));
  await fleet.stop(line);
  await Promise.all(cut);
  await until(() => proxy.connections === 0);
  assert.equal((await psqlThrough(proxy, "select 2")).output, "2");
  assert.equal(wakes, 2);
  await proxy.close();
  assert.match((await psqlThrough(proxy, "select 2")).fault, /refused/);
});

test("every proxy has an address of its own", needsServer, async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux has a whole network of loopback addresses");
  const { fleet } = await testFleet(t);
  const proxies = await Promise.all(Array.from({ length: 20 }, () => fleet.openProxy(() => Promise.reject(new Error("never")))));
  assert.equal(new Set(proxies.map(({ host, port }) => `${host}:${port}`)).size, 20);
  assert.ok(proxies.filter(({ port }) => port === 5432).length > 10 || proxies.every(({ host }) => host === "127.0.0.1"));
});

test("a server that is killed from outside is noticed, and starts again with all that was committed", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await fleet.createLine({ sql: SHOP });
  await fleet.execute(line, "shop", `${TABLE}; insert into t (note) select 'x' from generate_series(1, 500)`);
  process.kill(serverOf(directory, line), "SIGKILL");
  await until(() => !fleet.isRunning(line));
  // Its WAL can be read, and forked, as it is on the disk.
  const fork = await fleet.fork(line, { kind: "head" });
  assert.deepEqual(await column(fleet, line, "select count(*) from t"), ["500"]);
  assert.deepEqual(await column(fleet, fork.line, "select count(*) from t"), ["500"]);
});

test("a server killed in the middle of its writing has the same last commit for its forks as for itself", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await fleet.createLine({ sql: SHOP });
  await fleet.execute(line, "shop", TABLE);
  const endless = "do $$ begin loop insert into t (note) select repeat('x', (random() * 3000)::int); commit; end loop; end $$";
  const writing = [1, 2, 3].map(() => assert.rejects(fleet.execute(line, "shop", endless)));
  while (Number((await column(fleet, line, "select count(*) from t"))[0]) < 500) await sleep(20);
  process.kill(serverOf(directory, line), "SIGKILL");
  // Asked for while it is going down.
  const fork = await fleet.fork(line, { kind: "head" });
  await Promise.all(writing);
  await until(() => !fleet.isRunning(line));
  const later = await fleet.fork(line, { kind: "time", at: new Date() });
  const count = async (id: string): Promise<number> => Number((await column(fleet, id, "select count(*) from t"))[0]);
  const [own, whileDying, after] = await Promise.all([line, fork.line, later.line].map(count));
  assert.equal(after, own);
  // Its last processes may have gone on for a moment.
  assert.ok(Number(whileDying) >= 500 && Number(whileDying) <= Number(own));
});

test("a password set while the server sleeps counts from its start; a role that is not there gets none", needsServer, async (t) => {
  const { fleet } = await testFleet(t);
  const line = await fleet.createLine();
  const early = await fleet.fork(line, { kind: "head" });
  await fleet.execute(line, "postgres", "create role owner login");
  await fleet.setPassword(early.line, "owner", "open sesame");
  await fleet.start(early.line);
  await fleet.stop(line);
  await fleet.setPassword(line, "owner", "it's \\ $1");
  const fork = await fleet.fork(line, { kind: "head" });
  const stored = "select rolpassword like 'SCRAM-SHA-256$%' as is_set from pg_authid where rolname = 'owner'";
  for (const id of [line, fork.line]) assert.deepEqual(await fleet.execute(id, "postgres", stored), [{ is_set: true }]);
  assert.deepEqual(await fleet.execute(early.line, "postgres", stored), []);
});

test("a start that fails says why, leaves the line as it was, and can be tried again", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await fleet.createLine({ sql: ["create role owner", "select no_such_function()"] });
  for (let i = 0; i < 2; i++) await assert.rejects(fleet.start(line), /no_such_function/);
  assert.deepEqual(readdirSync(placeOf(directory).lines), []);
  assert.equal(fleet.isRunning(line), false);
});

test("an ended fleet leaves no server, no proxy and no directory, even with work under way", needsServer, async (t) => {
  const { fleet, directory } = await testFleet(t);
  const line = await fleet.createLine({ sql: SHOP });
  await fleet.start(line);
  const server = serverOf(directory, line);
  const proxy = await fleet.openProxy(() => fleet.start(line));
  const fork = await fleet.fork(line, { kind: "head" });
  const underWay = assert.rejects(fleet.start(fork.line), (error) => isLifeboatError(error, "CANCELLED"));
  await sleep(60);
  await Promise.all([fleet.end(), fleet.end()]);
  await underWay;
  assert.equal(await startTimeOf(server), undefined);
  assert.ok(!existsSync(directory) && !existsSync(placeOf(directory).sockets));
  assert.match((await psqlThrough(proxy, "select 1")).fault, /refused/);
  await assert.rejects(fleet.createLine(), (error) => isLifeboatError(error, "CANCELLED"));
});

/** A process of its own that runs a fleet, and then does nothing. */
async function startElsewhere(directory: string): Promise<{ owner: number; reaper: number; server: number }> {
  const script = `
    import { openFleet } from ${JSON.stringify(new URL("./fleet.ts", import.meta.url).href)};
    const fleet = await openFleet({ directory: ${JSON.stringify(directory)}, bin: ${JSON.stringify(postgresBin())} });
    await fleet.start(await fleet.createLine());
    console.log("ready");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
  child.unref();
  const note = JSON.parse(readFileSync(placeOf(directory).note, "utf8")) as { owner: { pid: number }; reaper: { pid: number } };
  assert.equal(note.owner.pid, child.pid);
  return { owner: note.owner.pid, reaper: note.reaper.pid, server: serverOf(directory, "line-1") };
}

const isGone = async (pid: number): Promise<boolean> => (await startTimeOf(pid)) === undefined;

test("a sandbox that is killed leaves no server and no directory", needsServer, async () => {
  const directory = fleetDirectory();
  const { owner, reaper, server } = await startElsewhere(directory);
  process.kill(reaper, "SIGINT"); // a terminal's signals are not for it
  process.kill(owner, "SIGKILL");
  await until(() => !existsSync(directory));
  await until(async () => (await isGone(server)) && (await isGone(reaper)));
});

test("the next sandbox deletes what a killed sandbox and reaper left, but nothing of a running one", needsServer, async (t) => {
  const parent = mkdtempSync(join(tmpdir(), "lifeboat-t-"));
  t.after(() => rmSync(parent, { recursive: true, force: true }));
  // The servers' user must be able to pass through.
  chmodSync(parent, 0o711);
  const directory = join(parent, "fleet");
  const { owner, reaper, server } = await startElsewhere(directory);
  assert.deepEqual(await removeStaleFleets(parent), []);
  process.kill(reaper, "SIGKILL");
  process.kill(owner, "SIGKILL");
  await until(async () => (await isGone(owner)) && (await isGone(reaper)));
  assert.ok(existsSync(directory));
  assert.deepEqual(await removeStaleFleets(parent), [directory]);
  assert.ok(!existsSync(directory) && (await isGone(server)));
});

test("a directory that is there already is not taken over", needsServer, async (t) => {
  const { directory } = await testFleet(t);
  await assert.rejects(openFleet({ directory, bin: postgresBin() }), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
  assert.ok(existsSync(placeOf(directory).note));
});
