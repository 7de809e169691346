// The demonstration kept, stopped and killed: a kept one continues by itself; the others leave nothing.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { leftOf, plain, start, temporaryFolder, until } from "../support/demo.ts";
import { skipWithoutPostgres } from "../support/postgres.ts";
import { PROGRAM } from "../support/program.ts";

const skip = skipWithoutPostgres();

test("R31 R33 the demonstration's JSON counts lost data exactly, and its evidence is kept on request", { skip }, async () => {
  const folder = temporaryFolder();
  const { status, stdout, stderr } = await start(folder, ["--json", "--keep"]).ended;
  assert.equal(status, 0, stderr);
  const told = JSON.parse(stdout);
  assert.equal(told.verdict, "pass");
  assert.deepEqual(
    told.steps.map(({ command }: { command: string }) => command.split(" ")[1]),
    ["init", "check", "backup", "verify", "drill", "restore", "init", "apply", "drill", "recover"],
  );
  assert.equal(told.fingerprint.equal, true);
  assert.equal(told.hosted.equal, true);
  assert.ok(told.hosted.rows > 100_000);
  assert.equal(told.hosted.combined.verdict, "pass");
  assert.ok(told.lost.orders > 0);
  assert.equal(told.lost.orders, told.rows.before.orders - told.rows.after.orders);
  assert.equal(told.rows.after.users, told.rows.before.users);
  assert.ok(told.achieved.rtoSeconds > 0 && told.achieved.rtoSeconds <= told.objective.rtoSeconds);
  assert.ok(told.achieved.rpoSeconds > 0 && told.achieved.rpoSeconds <= told.objective.rpoSeconds);
  for (const file of told.evidence) assert.equal(JSON.parse(readFileSync(file, "utf8")).verdict, "pass");
  const left = await leftOf(folder);
  assert.deepEqual(left.processes, []);
  assert.deepEqual(
    left.files.map((name) => join(folder, name)),
    [told.kept],
  );
  assert.ok(!existsSync(join(told.kept, "server")), "the server is gone");

  // What is kept works, without the shop: the backup proves itself once more.
  const drill = spawn(PROGRAM, ["drill", "shop", "--json"], {
    cwd: told.kept,
    env: { ...plain, TMPDIR: folder, DATABASE_URL: "postgres://shop@localhost:1/shop" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let answer = "";
  drill.stdout.setEncoding("utf8").on("data", (text: string) => (answer += text));
  assert.equal(await new Promise((resolve) => drill.once("close", resolve)), 0);
  assert.equal(JSON.parse(answer).drills[0].verdict, "pass");
  rmSync(told.kept, { recursive: true });
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`a demonstration that is stopped by ${signal} leaves no process and no file`, { skip }, async () => {
    const folder = temporaryFolder();
    const { child, ended, stdout } = start(folder);
    await until(() => stdout().includes(signal === "SIGINT" ? "lifeboat drill" : "lifeboat backup"), "the act");
    child.kill(signal);
    const { status, stderr } = await ended;
    assert.equal(status, 130);
    assert.match(stderr, /CANCELLED/);
    assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
  });
}

test("a demonstration that is killed leaves no process, and the next one removes its folder", { skip }, async () => {
  const folder = temporaryFolder();
  const { child, ended, stdout } = start(folder);
  await until(() => stdout().includes("lifeboat drill"), "the drill");
  child.kill("SIGKILL");
  await ended;
  const left = await leftOf(folder);
  assert.deepEqual(left.processes, []);
  for (const name of left.files) assert.match(name, /^lifeboat-demo-/, "all of its files are in its folder");
  for (const name of left.files) assert.ok(!existsSync(join(folder, name, "server")), "the supervisor removed the server");
  const next = await start(folder, ["--json"]).ended;
  assert.equal(next.status, 0, next.stderr);
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});
