// The demonstration as a user runs it: what it shows, what it leaves, and what becomes of it when it is stopped or killed.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { skipWithoutPostgres } from "../support/postgres.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const skip = skipWithoutPostgres();
const TIMEOUT_MS = 240_000;

/** A temporary folder of a run's own, so that whatever it leaves is seen; servers run as another user and must pass. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "d-"));
  chmodSync(folder, 0o711);
  after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }>;
  stdout(): string;
}

/** Colours are neither demanded nor forbidden: a run decides by itself. */
const { FORCE_COLOR: _, NO_COLOR: __, ...plain } = process.env;

function start(folder: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(join(root, "bin/lifeboat"), ["demo", ...args], {
    // A user's own settings must not lead the demonstration to the user's own repository.
    env: { ...plain, TMPDIR: folder, LIFEBOAT_REPOSITORY: "file:///nowhere", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) =>
    child.once("close", (status) => resolve({ status, stdout, stderr })),
  );
  return { child, ended, stdout: () => stdout };
}

/** Processes whose arguments or environment name the folder; known on Linux only. */
function processesOf(folder: string): string[] {
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        const told = `${command} ${readFileSync(`/proc/${pid}/environ`, "utf8")}`;
        return command !== "" && told.includes(folder) ? [`${pid} ${command}`] : [];
      } catch {
        return [];
      }
    });
}

/** What is left once the supervisors have had their time. */
async function leftOf(folder: string): Promise<{ readonly processes: string[]; readonly files: string[] }> {
  const look = () => ({ processes: processesOf(folder), files: readdirSync(folder).sort() });
  for (let waitedMs = 0; waitedMs < 20_000; waitedMs += 100) {
    const { processes } = look();
    if (processes.length === 0) break;
    await sleep(100);
  }
  return look();
}

async function until(holds: () => boolean, what: string): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 50) {
    assert.ok(waitedMs < TIMEOUT_MS, `in vain waited for ${what}`);
    await sleep(50);
  }
}

const headingsOf = (text: string): string[] => text.split("\n").filter((line) => line.startsWith("── "));

test("the demonstration ends well, reads as the captured run in the documentation, and leaves nothing", { skip }, async () => {
  const folder = temporaryFolder();
  const { status, stdout, stderr } = await start(folder).ended;
  assert.equal(status, 0, stderr);
  assert.equal(stderr, "", "a log holds no progress");
  assert.ok(!stdout.includes("\x1b") && !stdout.includes("\r"), "a log holds no escapes");
  assert.ok(!stdout.includes("AGE-SECRET-KEY"));
  assert.match(stdout, /rows of public\.orders: all \d+ rows are equal/);
  assert.match(stdout, /ERROR: relation "orders" does not exist/);
  assert.match(stdout, /fingerprint\s+equal to the one taken with the backup/);
  assert.match(stdout, /RTO achieved\s+\S+ m?s \(objective 15m\)/);
  assert.match(stdout, /lost\s+\d+ orders/);
  const documented = headingsOf(readFileSync(join(root, "docs/demo.txt"), "utf8"));
  assert.ok(documented.length >= 7);
  assert.deepEqual(headingsOf(stdout), documented, "docs/demo.txt is stale: run `bin/lifeboat demo > docs/demo.txt`");
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});

test("R31 R33 the demonstration's JSON counts what was lost to the last order, and its evidence is kept on request", { skip }, async () => {
  const folder = temporaryFolder();
  const { status, stdout, stderr } = await start(folder, ["--json", "--keep"]).ended;
  assert.equal(status, 0, stderr);
  const told = JSON.parse(stdout);
  assert.equal(told.verdict, "pass");
  assert.deepEqual(
    told.steps.map(({ command }: { command: string }) => command.split(" ")[1]),
    ["init", "check", "backup", "verify", "drill", "restore"],
  );
  assert.equal(told.fingerprint.equal, true);
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
  const drill = spawn(join(root, "bin/lifeboat"), ["drill", "shop", "--json"], {
    cwd: told.kept,
    env: { ...plain, TMPDIR: folder, DATABASE_URL: "postgres://shop@localhost:1/shop" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let answer = "";
  drill.stdout.setEncoding("utf8").on("data", (text: string) => (answer += text));
  assert.equal(await new Promise((resolve) => drill.once("close", resolve)), 0);
  assert.equal(JSON.parse(answer).verdict, "pass");
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
  for (const name of left.files) assert.match(name, /^lifeboat-demo-/, "everything it made lies in its folder");
  for (const name of left.files) assert.ok(!existsSync(join(folder, name, "server")), "the supervisor removed the server");
  const next = await start(folder, ["--json"]).ended;
  assert.equal(next.status, 0, next.stderr);
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});

test("a demonstration without PostgreSQL's programs says exactly what to install, and leaves nothing", async () => {
  const folder = temporaryFolder();
  const { status, stderr } = await start(folder, [], { LIFEBOAT_POSTGRES_BIN: folder }).ended;
  assert.equal(status, 2);
  assert.match(stderr, /TOOL_MISSING/);
  assert.match(stderr, /apt-get install postgresql/);
  assert.match(stderr, /brew install postgresql/);
  assert.deepEqual(await leftOf(folder), { processes: [], files: [] });
});
