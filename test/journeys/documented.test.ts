// The commands of README.md, as written and in order, in a fresh folder: against a PostgreSQL server and the sandboxes of Neon, Atlas and
// MongoDB. Only the values in the tables below are replaced.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";
import { archiveSource, until } from "../support/archive.ts";
import { beginMongoWorld } from "../support/mongo-world.ts";
import { startRealNeon } from "../support/neon-sandbox.ts";
import { freshDatabase, query, skipWithoutPostgres, testCluster } from "../support/postgres.ts";
import { PROGRAM } from "../support/program.ts";

/** Commands that this test does not run, and why. */
const NOT_RUN: readonly (readonly [command: RegExp, because: string])[] = [
  [/^npm ci && npm run demo$/, "test/e2e/demo.test.ts runs the demonstration"],
  [/^npm ci && npm test$/, "it would run this test"],
  [/^lifeboat serve$/, "test/e2e/serve.test.ts runs it"],
  [/^createdb new && age /, "test/integration/roundtrip-by-hand.test.ts runs it"],
];
/** Commands that run until they are stopped: begun here, and ended with the test. */
const ENDLESS = /lifeboat archive /;
/** A status may be unhealthy here: most sources of the configuration were never backed up. */
const EXITS: readonly (readonly [command: RegExp, exits: readonly number[]])[] = [
  [/^lifeboat status/, [0, 3, 4]],
  [/^lifeboat compare/, [0, 1]], // rows are written meanwhile
];

/** The commands of the shell blocks of a document, without comments. */
export function commandsIn(document: string): string[] {
  const text = readFileSync(join(import.meta.dirname, "../..", document), "utf8");
  return [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)]
    .flatMap(([, block = ""]) => block.split("\n"))
    .map((line) => line.replace(/\s+# .*$/, "").trim())
    .filter((line) => line !== "");
}

const POLICY = `  hosted: { window: 7d, snapshots: [{ name: "backup-{date}", cron: "0 0 * * *", keep: 30d }] }\n`;
const SOURCES = (
  values: Readonly<Record<"neon" | "apiHost" | "group" | "cluster" | "atlas" | "client", string>>,
): string => `  web: { provider: neon, projectId: ${values.neon}, apiHost: "${values.apiHost}", policy: hosted, checks: [{ table: users, rows: { min: 1 } }] }
  sessions: { provider: atlas, groupId: "${values.group}", cluster: ${values.cluster}, clientId: ${values.client}, apiHost: "${values.atlas}", database: shop, policy: hosted, checks: [{ collection: users, rows: { min: 1 } }] }
  legacy: { provider: mongodb, url: "\${LEGACY_URL}", archive: { partialEvery: 1s }, checks: [{ collection: users, rows: { min: 1 } }] }
`;

test("R51 every command of README.md runs as written", { skip: skipWithoutPostgres() }, async (t) => {
  const shell = beginShell(t);
  const cluster = await testCluster({ settings: archiveSource });
  t.after(() => cluster.stop());
  const shop = await freshDatabase("shop", cluster);
  await query(shop, "create table users (id int primary key); insert into users select generate_series(1, 100)");
  await query(shop, "create table orders (id int generated always as identity primary key, total numeric)");
  await query(shop, "insert into orders (total) select 1 from generate_series(1, 100)");
  const neon = await startRealNeon({ plan: "scale" });
  t.after(() => neon.sandbox.close());
  await query({ url: neon.sandbox.url, label: "web" }, "create table users (id int primary key); insert into users values (1)");
  const atlas = await startAtlasSandbox({ speed: 4_000 });
  t.after(() => atlas.close());
  const atAtlas = new MongoClient(atlas.url);
  await atAtlas.db("shop").collection("users").insertOne({ n: 1 });
  await atAtlas.close();
  const legacy = await beginMongoWorld();
  t.after(() => legacy[Symbol.asyncDispose]());
  await legacy.db("legacy").collection("users").insertOne({ n: 1 });
  Object.assign(shell.env, {
    NEON_API_KEY: neon.sandbox.apiKey,
    ATLAS_CLIENT_SECRET: atlas.clientSecret,
    ATLAS_USER: atlas.user,
    ATLAS_PASSWORD: atlas.password,
    LEGACY_URL: legacy.url("legacy"),
  });
  const writer = setInterval(() => {
    void query(shop, "insert into orders (total) values (1)").catch(() => {}); // sessions end while the database is replaced
    void legacy.db("legacy").collection("users").insertOne({ at: new Date() });
  }, 300);
  t.after(() => clearInterval(writer));

  /** An instant that every source reached and passed since. */
  let instant = new Date();
  const pass = async (): Promise<void> => {
    await sleep(2_100 - (Date.now() % 1_000));
    instant = new Date(Math.floor(Date.now() / 1_000) * 1_000 - 1_000);
    await sleep(1_100);
  };
  const replaced = (command: string): string => {
    const ago = Math.max(1, Math.floor((Date.now() - instant.getTime()) / 1_000));
    return command
      .replace("postgres://user:password@host/shop", shop.url)
      .replace("npx prisma migrate deploy", "true")
      .replaceAll(/2026-11-20T14:29:59(?:\.250)?Z/g, instant.toISOString())
      .replaceAll(/--to (?:5m|7d)\b/g, `--to ${ago}s`)
      .replaceAll("5 minutes ago", `${ago} seconds ago`);
  };
  /** Waits until the window of a source with a log archive has passed the instant. */
  const reached = async (source: string): Promise<void> =>
    void (await until(`the log of ${source} is archived`, async () => {
      const { stdout } = await shell.run(`lifeboat status ${source} --json`);
      const { window } = JSON.parse(stdout).sources[0];
      return window !== null && window.earliest < instant.toISOString() && window.latest > instant.toISOString();
    }));

  const configuration = join(shell.folder, "lifeboat.yaml");
  let hosted = false;
  for (const command of commandsIn("README.md")) {
    if (NOT_RUN.some(([pattern]) => pattern.test(command))) continue;
    const exported = /^export (\w+)=(.*)$/.exec(replaced(command));
    if (exported?.[1] !== undefined) {
      shell.env[exported[1]] = exported[2] ?? "";
      continue;
    }
    if (!hosted && /lifeboat schedule/.test(command)) {
      hosted = true;
      const values = { neon: neon.sandbox.projectId, apiHost: neon.sandbox.apiHost, group: atlas.groupId, cluster: atlas.cluster };
      const more = SOURCES({ ...values, atlas: atlas.apiHost, client: atlas.clientId });
      const text = readFileSync(configuration, "utf8")
        .replace("checks: []", "checks: [{ table: orders, rows: { min: 1 } }]\n    archive: { partialEvery: 1s }")
        .replace("policies:\n", `${more}policies:\n${POLICY}`);
      writeFileSync(configuration, text);
    }
    if (ENDLESS.test(command)) {
      shell.begin(command);
      if (/legacy/.test(command))
        await until("legacy has a backup", async () => (await shell.run("lifeboat list legacy")).stdout.includes("legacy"));
      await pass();
      await reached(/legacy/.test(command) ? "legacy" : "shop");
      continue;
    }
    if (/ web | sessions /.test(`${command} `) && /plan /.test(command)) {
      await shell.expect([0], command);
      await pass();
      continue;
    }
    if (/recover/.test(command)) {
      await pass();
      for (const source of ["shop", "legacy"]) await reached(source);
    }
    await shell.expect(EXITS.find(([pattern]) => pattern.test(command))?.[1] ?? [0], replaced(command));
    if (/--in-place/.test(command)) await pass();
  }
});

interface Shell {
  readonly folder: string;
  readonly env: Record<string, string>;
  run(command: string): Promise<{ readonly exit: number | null; readonly stdout: string; readonly stderr: string }>;
  expect(exits: readonly number[], command: string): Promise<void>;
  /** Begins a command that runs until the end of the test. */
  begin(command: string): void;
}

/** A shell in a fresh folder, with `lifeboat` on the path. */
function beginShell(t: TestContext): Shell {
  const folder = mkdtempSync(join(tmpdir(), "ld-"));
  for (const path of [folder, join(folder, "bin"), join(folder, "tmp")]) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, 0o711); // servers run as another user
  }
  writeFileSync(join(folder, "bin/lifeboat"), `#!/bin/sh\nexec "${PROGRAM}" "$@"\n`, { mode: 0o755 });
  const env: Record<string, string> = {
    PATH: `${join(folder, "bin")}:${process.env.PATH}`,
    HOME: folder,
    TMPDIR: join(folder, "tmp"),
    LIFEBOAT_STATE: join(folder, "state"),
    ...(process.env.LIFEBOAT_TEST_TMP && { LIFEBOAT_TEST_TMP: process.env.LIFEBOAT_TEST_TMP }),
  };
  const begun = new Set<ChildProcess>();
  const spawned = (command: string): ChildProcess => {
    const child = spawn("sh", ["-c", command], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
    begun.add(child);
    child.once("close", () => begun.delete(child));
    return child;
  };
  const run: Shell["run"] = async (command) => {
    const child = spawned(command);
    const text = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) child[name]?.setEncoding("utf8").on("data", (chunk: string) => (text[name] += chunk));
    const exit = await new Promise<number | null>((resolve) => child.once("close", resolve));
    return { exit, ...text };
  };
  t.after(async () => {
    for (const child of begun) if (child.pid !== undefined) process.kill(-child.pid, "SIGINT");
    for (let waits = 0; begun.size > 0 && waits < 100; waits++) await sleep(100);
    for (const child of begun) if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  return {
    folder,
    env,
    run,
    async expect(exits, command) {
      const { exit, stdout, stderr } = await run(command);
      assert.ok(exit !== null && exits.includes(exit), `${command} ended with ${exit}\n${stderr}\n${stdout}`);
    },
    begin(command) {
      const child = spawned(command);
      for (const stream of [child.stdout, child.stderr]) stream?.resume();
    },
  };
}
