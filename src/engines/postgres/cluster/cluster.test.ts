import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { postgresBin, psql, query, skipWithoutPostgres, testCluster } from "../../../../test/support/postgres.ts";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { startTimeOf } from "../../../process/marks.ts";
import { openClient } from "../connect/client.ts";
import { beginCluster } from "./cluster.ts";
import { layoutOf, readNote, writeNote } from "./layout.ts";
import { undoCluster } from "./undo.ts";

const needsServer = { skip: skipWithoutPostgres() };
const until = async (done: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await done())) await sleep(20);
};
const isGone = async (pid: number): Promise<boolean> => (await startTimeOf(pid)) === undefined;

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-t-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

interface Started {
  readonly parent: number;
  readonly supervisor: number;
  readonly server: number;
  readonly directory: string;
}

/** A process of its own that makes a cluster and then does nothing. */
async function startElsewhere(): Promise<Started> {
  const jobId = `kill${process.hrtime.bigint()}`;
  const directory = join(tmpdir(), `lifeboat-${jobId}`);
  const script = `
    import { beginCluster } from ${JSON.stringify(new URL("./cluster.ts", import.meta.url).href)};
    const c = await beginCluster({ directory: ${JSON.stringify(directory)}, bin: ${JSON.stringify(postgresBin())}, jobId: ${JSON.stringify(jobId)}, durable: false });
    console.log(JSON.stringify({ parent: process.pid, supervisor: c.supervisorPid, server: c.pid, directory: c.directory }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
  child.unref();
  return JSON.parse(line) as Started;
}

const locatorOf = (started: Started) => ({
  directory: started.directory,
  jobId: started.directory.split("lifeboat-").at(-1) ?? "",
  host: hostname(),
});

test("a cluster answers, keeps its socket and data to itself, and leaves nothing", needsServer, async () => {
  const cluster = await testCluster();
  const connection = cluster.connection("postgres");
  const [row] = await query(
    connection,
    "select current_setting('fsync') as f, current_setting('wal_level') as w, current_setting('listen_addresses') as l",
  );
  assert.deepEqual(row, { f: "off", w: "minimal", l: "" });
  assert.equal((await psql(connection, ["-c", "select 1"])).trim(), "1");
  assert.equal(statSync(cluster.socketDirectory).mode & 0o777, 0o700);
  assert.equal(statSync(join(cluster.directory, "data")).mode & 0o777, 0o700);
  await assert.rejects(openClient({ ...connection, url: connection.url.replace(/:[^:@]*@/, ":wrong@") }), (error) =>
    isLifeboatError(error, "SOURCE_AUTH"),
  );
  await cluster.stop();
  await cluster.stop();
  assert.ok(!existsSync(cluster.directory) && (await isGone(cluster.pid)) && (await isGone(cluster.supervisorPid)));
});

test("the server of a cluster never runs as root", needsServer, async (t) => {
  const cluster = await testCluster();
  t.after(() => cluster.stop());
  assert.notEqual(statSync(join(cluster.directory, "data")).uid, 0);
  if (process.platform === "linux") assert.notEqual(statSync(`/proc/${cluster.pid}`).uid, 0);
});

test("encoding and settings are those asked for, and strings sort by their bytes", needsServer, async (t) => {
  const cluster = await testCluster({ settings: { work_mem: "7MB" } });
  t.after(() => cluster.stop());
  const [row] = await query(
    cluster.connection("postgres"),
    "select current_setting('server_encoding') as e, current_setting('work_mem') as w, 'B' < 'a' as bytes",
  );
  assert.deepEqual(row, { e: "UTF8", w: "7MB", bytes: true });
});

test("a directory too long for a socket's path still gives a cluster", needsServer, async (t) => {
  const directory = join(folder(t), "x".repeat(120));
  // The server's user must be able to pass through.
  chmodSync(join(directory, ".."), 0o711);
  const cluster = await beginCluster({ directory, bin: postgresBin(), jobId: "long", durable: false });
  assert.deepEqual(await query(cluster.connection("postgres"), "select 1 as a"), [{ a: 1 }]);
  await cluster.stop();
  assert.ok(!existsSync(layoutOf(directory).socket) && !existsSync(directory));
});

test("a cluster whose starter is killed ends and is removed", needsServer, async () => {
  const started = await startElsewhere();
  assert.ok(existsSync(started.directory));
  process.kill(started.parent, "SIGKILL");
  await until(() => !existsSync(started.directory));
  await until(async () => (await isGone(started.server)) && (await isGone(started.supervisor)));
});

test("after starter and supervisor are killed, the locator is enough to end and remove what is left", needsServer, async () => {
  const started = await startElsewhere();
  process.kill(started.supervisor, "SIGKILL");
  process.kill(started.parent, "SIGKILL");
  await until(async () => (await isGone(started.supervisor)) && (await isGone(started.parent)));
  assert.ok(existsSync(started.directory));
  assert.equal(await undoCluster({ ...locatorOf(started), host: "another-host" }), "elsewhere");
  assert.ok(existsSync(started.directory));
  assert.equal(await undoCluster(locatorOf(started)), "removed");
  assert.ok(!existsSync(started.directory));
  await until(() => isGone(started.server)); // the system collects what has no parent any longer
  assert.equal(await undoCluster(locatorOf(started)), "absent");
});

test("a clean-up while everything still runs ends server and supervisor", needsServer, async () => {
  const started = await startElsewhere();
  try {
    assert.equal(await undoCluster(locatorOf(started)), "removed");
    assert.ok(!existsSync(started.directory));
    await until(async () => (await isGone(started.server)) && (await isGone(started.supervisor)));
  } finally {
    process.kill(started.parent, "SIGKILL");
  }
});

test("a terminal's signals do not end the supervisor", needsServer, async (t) => {
  const cluster = await testCluster();
  t.after(() => cluster.stop());
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.kill(cluster.supervisorPid, signal);
  assert.deepEqual(await query(cluster.connection("postgres"), "select 1 as a"), [{ a: 1 }]);
});

test("a killed supervisor takes the server along, and stop removes the rest", needsServer, async () => {
  const cluster = await testCluster();
  process.kill(cluster.supervisorPid, "SIGKILL");
  await cluster.stop();
  assert.ok(!existsSync(cluster.directory) && (await isGone(cluster.pid)));
});

test("a start that fails says why and leaves nothing", needsServer, async () => {
  const directory = join(tmpdir(), `lifeboat-bad-${process.pid}`);
  const begin = beginCluster({ directory, bin: postgresBin(), jobId: "bad", durable: false, settings: { no_such_setting: "1" } });
  await assert.rejects(begin, (error) => isLifeboatError(error, "SCRATCH_FAILED") && /no_such_setting/.test(error.message));
  assert.ok(!existsSync(directory));
});

test("a start that is aborted gives the abort's reason and leaves nothing", needsServer, async () => {
  const directory = join(tmpdir(), `lifeboat-abort-${process.pid}`);
  const controller = new AbortController();
  const cause = new LifeboatError("LEASE_LOST", "another process took over");
  const begin = beginCluster({ directory, bin: postgresBin(), jobId: "abort", durable: false, signal: controller.signal });
  setTimeout(() => controller.abort(cause), 150);
  await assert.rejects(begin, (error) => error === cause);
  assert.ok(!existsSync(directory));
});

test("a clean-up touches no directory that is not this job's, and no process that has only the number", async (t) => {
  const directory = join(folder(t), "cluster-mine");
  mkdirSync(directory);
  writeFileSync(join(directory, "precious"), "x");
  const locator = { directory, jobId: "mine", host: hostname() };
  await assert.rejects(undoCluster(locator), (error) => isLifeboatError(error, "SCRATCH_FAILED"));
  await writeNote(directory, { lifeboat: "cluster", jobId: "other", host: hostname() });
  await assert.rejects(undoCluster(locator), (error) => isLifeboatError(error, "SCRATCH_FAILED") && /job other/.test(error.message));
  const proven = { ...locator, proof: "p" };
  for (const note of [{ jobId: "mine" }, { jobId: "mine", proof: "q" }]) {
    await writeNote(directory, { lifeboat: "cluster", host: hostname(), ...note });
    await assert.rejects(
      undoCluster(proven),
      (error) => isLifeboatError(error, "SCRATCH_FAILED") && /the proof of that job/.test(error.message),
    );
  }
  assert.equal(readFileSync(join(directory, "precious"), "utf8"), "x");

  const bystander = spawn("sleep", ["1000"], { stdio: "ignore" });
  t.after(() => bystander.kill("SIGKILL"));
  const pid = bystander.pid ?? 0;
  await writeNote(directory, { lifeboat: "cluster", jobId: "mine", host: hostname(), supervisor: { pid, startedAt: "long ago" } });
  mkdirSync(join(directory, "data"));
  writeFileSync(join(directory, "data", "postmaster.pid"), `${pid}\n`);
  assert.equal((await readNote(directory))?.jobId, "mine");
  assert.equal(await undoCluster(locator), "removed");
  assert.ok(!existsSync(directory) && !(await isGone(pid)));
});

test("a crash between making the directory and its note is cleaned up too", async (t) => {
  const directory = join(folder(t), "lifeboat-unborn-1");
  mkdirSync(directory);
  assert.equal(await undoCluster({ directory, jobId: "unborn", host: hostname() }), "removed");
  assert.ok(!existsSync(directory));
});
