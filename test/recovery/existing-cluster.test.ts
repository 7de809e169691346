import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError } from "../../src/core/errors.ts";
import { beginCluster } from "../../src/engines/postgres/cluster/cluster.ts";
import { readControlFile } from "../../src/engines/postgres/cluster/control-file.ts";
import { undoCluster } from "../../src/engines/postgres/cluster/undo.ts";
import { openClient } from "../../src/engines/postgres/connect/client.ts";
import { startTimeOf } from "../../src/process/marks.ts";
import { postgresBin, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";

const needsServer = { skip: skipWithoutPostgres() };

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-e-"));
  chmodSync(directory, 0o711);
  t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

const state = async (data: string) => (await readControlFile(postgresBin(), data)).get("Database cluster state");

test("data that is kept is shut down in peace, started again, and removed on request", needsServer, async (t) => {
  const directory = join(folder(t), "kept");
  const options = { directory, bin: postgresBin(), jobId: "kept", durable: true, keep: true };
  const first = await beginCluster(options);
  await query(first.connection("postgres"), "create role boss superuser login; create table t as select 1 as a");
  await first.stop();
  assert.equal(await state(first.data), "shut down");
  assert.ok(!existsSync(first.socketDirectory) && (await startTimeOf(first.pid)) === undefined);

  await assert.rejects(beginCluster({ ...options, jobId: "other", existing: { superuser: "boss" } }), (error) =>
    isLifeboatError(error, "SCRATCH_FAILED"),
  );
  writeFileSync(
    join(first.data, "postgresql.auto.conf"),
    "archive_mode = on\narchive_command = 'false'\nport = 99\nlog_directory = '/nowhere'\n",
  );
  const again = await beginCluster({ ...options, existing: { superuser: "boss" } });
  const [row] = await query(again.connection("postgres"), "select a, current_user as u, current_setting('archive_mode') as m from t");
  assert.deepEqual(row, { a: 1, u: "boss", m: "off" });
  assert.equal(statSync(again.socketDirectory).mode & 0o777, 0o700);
  await again.stop();
  await again.stop();
  assert.deepEqual([existsSync(again.data), await state(again.data)], [true, "shut down"]);
  await again.remove();
  assert.ok(!existsSync(directory));
});

test("data elsewhere is run where it is, and stays when the cluster's directory goes", needsServer, async (t) => {
  const place = folder(t);
  const origin = await testCluster();
  const data = join(place, "data");
  await query(origin.connection("postgres"), "checkpoint");
  cpSync(origin.data, data, { recursive: true, preserveTimestamps: true, filter: (path) => !path.endsWith("postmaster.pid") });
  await origin.stop();
  const directory = join(place, "work");
  const cluster = await beginCluster({
    directory,
    bin: postgresBin(),
    jobId: "w",
    durable: true,
    keep: true,
    existing: { superuser: "postgres", data },
  });
  assert.deepEqual(await query(cluster.connection("postgres"), "select 1 as a"), [{ a: 1 }]);
  await cluster.stop();
  assert.equal(await state(data), "shut down");
  await cluster.remove();
  assert.deepEqual([existsSync(directory), existsSync(join(data, "PG_VERSION"))], [false, true]);
});

test("a kept cluster whose starter is killed is shut down in peace and stays", needsServer, async (t) => {
  const directory = join(folder(t), "c");
  const script = `
    import { beginCluster } from ${JSON.stringify(new URL("../../src/engines/postgres/cluster/cluster.ts", import.meta.url).href)};
    const c = await beginCluster({ directory: ${JSON.stringify(directory)}, bin: ${JSON.stringify(postgresBin())}, jobId: "k", durable: true, keep: true });
    console.log(c.supervisorPid);
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  const supervisor = Number(await new Promise<string>((resolve) => createInterface({ input: child.stdout }).once("line", resolve)));
  child.kill("SIGKILL");
  while ((await startTimeOf(supervisor)) !== undefined) await sleep(20);
  assert.equal(await state(join(directory, "data")), "shut down");
  assert.equal(JSON.parse(readFileSync(join(directory, "lifeboat.json"), "utf8")).supervisor, undefined);
  assert.equal(await undoCluster({ directory, jobId: "k", host: hostname() }), "removed");
  assert.ok(!existsSync(directory));
});

test("a server that is reached over the network asks for a password", needsServer, async (t) => {
  const port = 20_000 + (process.pid % 20_000);
  const cluster = await beginCluster({
    directory: join(folder(t), "n"),
    bin: postgresBin(),
    jobId: "n",
    durable: false,
    hba: "host all all 127.0.0.1/32 scram-sha-256",
    settings: { listen_addresses: "127.0.0.1", port: String(port) },
  });
  t.after(() => cluster.remove());
  await query(cluster.connection("postgres"), "create role app login password 'right'");
  const over = (password: string) => ({ url: `postgres://app:${password}@127.0.0.1:${port}/postgres`, label: "app" });
  assert.deepEqual(await query(over("right"), "select 1 as a"), [{ a: 1 }]);
  await assert.rejects(openClient(over("wrong")), (error) => isLifeboatError(error, "SOURCE_AUTH"));
});

test("a directory without a cluster is refused, and nothing is created over it", needsServer, async (t) => {
  const place = folder(t);
  const directory = join(place, "x");
  const begin = beginCluster({
    directory,
    bin: postgresBin(),
    jobId: "x",
    durable: true,
    keep: true,
    existing: { superuser: "p", data: place },
  });
  await assert.rejects(begin, (error) => isLifeboatError(error, "SCRATCH_FAILED") && /data directory/.test(error.message));
  assert.deepEqual([existsSync(directory), statSync(place).uid], [false, process.getuid?.()]);
});

test("R57 a start over kept data in a cell can be aborted at any moment, and is over soon", {
  ...needsServer,
  timeout: 120_000,
}, async (t) => {
  const directory = join(tmpdir(), `lifeboat-cellend-${process.pid}`);
  const foreign = { isolation: "required" as const };
  const options = { directory, bin: postgresBin(), jobId: "cellend", durable: false, keep: true, foreign };
  const made = await beginCluster(options);
  t.after(() => made.remove());
  await made.stop();
  const existing = { superuser: "postgres" };
  let aborted = 0;
  // Where the cell is being made it does not hear a signal yet; the server would then run on until its long time is over.
  for (let afterMs = 40; afterMs <= 400; afterMs += 40) {
    const reason = new Error(`aborted after ${afterMs} ms`);
    const ending = new AbortController();
    setTimeout(() => ending.abort(reason), afterMs);
    const cluster = await beginCluster({ ...options, existing, signal: ending.signal }).catch((error: unknown) =>
      assert.equal(error, reason),
    );
    if (cluster === undefined) aborted++;
    await cluster?.stop();
  }
  assert.ok(aborted > 0, "some starts were aborted");
});
