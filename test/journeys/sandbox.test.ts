// `lifeboat sandbox` as a user runs it.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { ASSUMPTIONS } from "../../packages/sandbox/index.ts";
import { connectionFromUrl } from "../../src/engines/postgres/connect/url.ts";
import { query, skipWithoutPostgres } from "../support/postgres.ts";
import { PROGRAM } from "../support/program.ts";

const skip = skipWithoutPostgres();

interface Running {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly ended: Promise<number | null>;
  /** What was printed so far. */
  heard(): { readonly stdout: string; readonly stderr: string };
}

function start(t: TestContext, ...args: readonly string[]): Running {
  const folder = mkdtempSync(join(tmpdir(), "ls-"));
  chmodSync(folder, 0o711); // servers run as another user and must pass
  const child = spawn(PROGRAM, ["sandbox", ...args], { env: { ...process.env, TMPDIR: folder }, stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([status]) => status as number | null);
  t.after(async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return { child, folder, ended, heard: () => ({ stdout, stderr }) };
}

interface Ready {
  readonly neon: {
    readonly apiHost: string;
    readonly apiKey: string;
    readonly projectId: string;
    readonly branch: string;
    readonly url: string;
  };
  readonly atlas: Readonly<Record<"apiHost" | "clientId" | "clientSecret" | "groupId" | "cluster" | "url" | "user" | "password", string>>;
}

async function ready(running: Running): Promise<Ready> {
  while (!running.heard().stdout.includes("\n")) {
    assert.equal(running.child.exitCode, null, running.heard().stderr);
    await sleep(20);
  }
  return JSON.parse(running.heard().stdout);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`R54 the sandbox prints one line once it is ready, works, ends at ${signal} with status 0, and leaves nothing`, {
    skip,
  }, async (t) => {
    const running = start(t, "--json", "--plan", "free");
    const { neon, atlas } = await ready(running);
    const headers = { authorization: `Bearer ${neon.apiKey}` };
    const answer = await fetch(`${neon.apiHost}/projects/${neon.projectId}/branches`, { headers });
    const { branches } = (await answer.json()) as { branches: { name: string }[] };
    assert.deepEqual(
      branches.map((branch) => branch.name),
      [neon.branch],
    );
    assert.deepEqual(await query(connectionFromUrl(neon.url), "select current_user::text as me"), [{ me: "neondb_owner" }]);
    const client = new MongoClient(atlas.url);
    assert.equal((await client.db("shop").collection("users").insertOne({ n: 1 })).acknowledged, true);
    await client.close();
    running.child.kill(signal);
    assert.equal(await running.ended, 0, running.heard().stderr);
    assert.deepEqual(readdirSync(running.folder), []);
    for (const { apiHost } of [neon, atlas]) await assert.rejects(fetch(apiHost));
  });
}

test("R54 a killed sandbox leaves no server and no folder", { skip }, async (t) => {
  const running = start(t, "--json");
  const { neon } = await ready(running);
  await query(connectionFromUrl(neon.url), "select 1");
  running.child.kill("SIGKILL");
  await running.ended;
  const deadline = Date.now() + 20_000;
  while (readdirSync(running.folder).length > 0 && Date.now() < deadline) await sleep(50);
  assert.deepEqual(readdirSync(running.folder), []);
});

test("R54 a port that is taken is a mistake of usage, and nothing is left", { skip }, async (t) => {
  const first = start(t, "--json");
  const { neon } = await ready(first);
  const second = start(t, "--port", new URL(neon.apiHost).port);
  assert.equal(await second.ended, 2);
  assert.match(second.heard().stderr, /USAGE .*cannot listen on port/);
  assert.deepEqual(readdirSync(second.folder), []);
});

/** The lines under a title, as a user copies them. */
function pasted(text: string, title: string): string {
  const lines = text.split("\n");
  const begin = lines.indexOf(title) + 1;
  return lines.slice(begin, begin + lines.slice(begin).findIndex((line) => !line.startsWith("  "))).join("\n");
}

test("R54 what the sandbox prints can be pasted: init, apply, backup and check work against both providers", { skip }, async (t) => {
  const running = start(t, "--speed", "1000");
  while (!running.heard().stdout.includes("Ctrl-C")) {
    assert.equal(running.child.exitCode, null, running.heard().stderr);
    await sleep(20);
  }
  const parts = running.heard().stdout.split(/^(?=Atlas's)/m);
  assert.equal(parts.length, 2);
  for (const [index, text] of parts.entries()) {
    const folder = mkdtempSync(join(tmpdir(), "lp-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    // `lifeboat` is the program of this test, whichever way it is printed.
    const bin = `lifeboat() { "${PROGRAM}" "$@"; }\n`;
    const script = bin + pasted(text, "Protect it with Lifeboat:").replaceAll(/^ {2}\S*\/lifeboat /gm, "  lifeboat ");
    const env = { PATH: process.env.PATH ?? "", HOME: folder, TMPDIR: running.folder };
    const shell = spawnSync("sh", ["-c", script], { cwd: folder, env, encoding: "utf8" });
    const said = `${script}\n${shell.stdout}${shell.stderr}`;
    assert.match(shell.stdout, /the repository is ready[\s\S]*✓ (branch|snapshot) backup-\S+ of (web|reviews) is made/, said);
    assert.match(shell.stdout, /✓ pass {2}source (web|reviews): /, said);
    assert.doesNotMatch(shell.stderr, /^error/m, said);
    assert.match(pasted(text, "Look at it:"), index === 0 ? /psql 'postgresql:/ : /mongosh 'mongodb:/);
  }
});

test("R54 one of the two is started alone, Atlas's without PostgreSQL, and its API key works too", async (t) => {
  const running = start(t, "--only", "atlas");
  while (!running.heard().stdout.includes("Ctrl-C")) {
    assert.equal(running.child.exitCode, null, running.heard().stderr);
    await sleep(20);
  }
  const { stdout } = running.heard();
  assert.doesNotMatch(stdout, /psql|NEON/);
  const exported = Object.fromEntries([...stdout.matchAll(/export ([A-Z_]+)=(\S+)/g)].map(([, name = "", value = ""]) => [name, value]));
  const { MONGODB_ATLAS_PUBLIC_API_KEY: own, MONGODB_ATLAS_PRIVATE_API_KEY: half } = exported;
  const folder = mkdtempSync(join(tmpdir(), "lp-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const key = { ATLAS_CLIENT_ID: "", ATLAS_CLIENT_SECRET: "", ATLAS_PUBLIC_KEY: own, ATLAS_PRIVATE_KEY: half };
  const env = { PATH: process.env.PATH ?? "", HOME: folder, ...exported, ...key };
  const lifeboat = (...args: string[]) => spawnSync(PROGRAM, args, { cwd: folder, env, encoding: "utf8" });
  assert.equal(lifeboat("init", "--repository", "r", "--source", "s", "--provider", "atlas").status, 0);
  const status = JSON.parse(lifeboat("status", "--json").stdout).sources[0];
  assert.equal(status.settings.continuousBackupEnabled, true, JSON.stringify(status.reasons));
  running.child.kill("SIGTERM");
  assert.equal(await running.ended, 0);
  assert.deepEqual(readdirSync(running.folder), []);
});

test("R54 the sandbox prints every assumption it makes of the real service", async (t) => {
  const running = start(t, "--assumptions", "--json");
  assert.equal(await running.ended, 0);
  assert.deepEqual(JSON.parse(running.heard().stdout), ASSUMPTIONS);
  assert.deepEqual([...new Set(ASSUMPTIONS.map((row) => row.of))], ["neon", "atlas", "mongodb"]);
});
