// What only a storage on disk can get wrong: processes, kills, links, rights, full disks.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { bytesOf, collect, generatedBytes } from "../../../test/support/bytes.ts";
import { LifeboatError } from "../../core/errors.ts";
import { openLocalStorage } from "./local.ts";

const RACERS = 20;
const support = (name: string): string => fileURLToPath(new URL(`../../../test/support/${name}`, import.meta.url));
const hasCode = (code: string) => (error: unknown) => error instanceof LifeboatError && error.code === code;
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

async function makeStorage(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-local-"));
  const storage = openLocalStorage({ directory });
  t.after(async () => {
    await storage.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { directory, storage, unfinished: async () => (await readdir(join(directory, ".tmp"))).filter((name) => name !== "lock") };
}

/** Runs one racer a process, all started at once; returns the winners' numbers. */
async function race(t: TestContext, directory: string, etag: string): Promise<number[]> {
  const children = Array.from({ length: RACERS }, (_, racer) =>
    spawn(process.execPath, [support("race-put.ts"), directory, String(racer), etag], { stdio: ["pipe", "pipe", "inherit"] }),
  );
  t.after(() => children.map((child) => child.kill("SIGKILL")));
  const said = children.map(() => "");
  for (const [racer, child] of children.entries()) {
    child.stdout.setEncoding("utf8").on("data", (words: string) => {
      said[racer] += words;
    });
  }
  await Promise.all(children.map((child) => once(child.stdout, "data")));
  const ended = children.map((child) => once(child, "close"));
  for (const child of children) child.stdin.end("go");
  await Promise.all(ended);
  for (const words of said) assert.match(words, /^ready\n(won|lost)\n$/);
  return said.flatMap((words, racer) => (words.includes("won") ? [racer] : []));
}

test("R20 of twenty racing processes exactly one creates, and exactly one replaces", async (t) => {
  const { directory, storage } = await makeStorage(t);
  const creators = await race(t, directory, "");
  assert.equal(creators.length, 1);
  assert.equal((await bytesOf(storage.get("race"))).toString(), `racer ${creators[0]}`);
  const replacers = await race(t, directory, (await storage.head("race"))?.etag ?? "");
  assert.equal(replacers.length, 1);
  assert.equal((await bytesOf(storage.get("race"))).toString(), `racer ${replacers[0]}`);
});

test("a killed put leaves no object, and sweep removes its remains once they are old", async (t) => {
  const { directory, storage, unfinished } = await makeStorage(t);
  const child = spawn(process.execPath, [support("endless-put.ts")], { stdio: ["pipe", "ignore", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  child.stdin.end(JSON.stringify({ kind: "file", directory }));
  while ((await unfinished().catch(() => [])).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  child.kill("SIGKILL");
  await once(child, "exit");
  assert.equal(await storage.head("endless"), undefined);
  assert.deepEqual(await collect(storage.list("")), []);
  assert.equal(await storage.sweep("", new Date(Date.now() - 60_000)), 0, "what is young may still be alive");
  assert.equal(await storage.sweep("other", new Date(Date.now() + 60_000)), 0);
  assert.equal(await storage.sweep("end", new Date(Date.now() + 60_000)), 1);
  assert.deepEqual(await unfinished(), []);
});

test("a process killed while it holds the lock does not keep it", async (t) => {
  const { directory, storage } = await makeStorage(t);
  await storage.put("x", text("1"));
  const holder = `
    const { DatabaseSync } = require("node:sqlite");
    const lock = new DatabaseSync(process.argv[1]);
    lock.exec("BEGIN EXCLUSIVE");
    console.log("held");
    setInterval(() => lock, 1000);`;
  const child = spawn(process.execPath, ["-e", holder, join(directory, ".tmp/lock")], { stdio: ["ignore", "pipe", "ignore"] });
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const hasty = openLocalStorage({ directory, callTimeoutMs: 200 });
  await assert.rejects(hasty.put("x", text("2")), hasCode("STORAGE_TIMEOUT"));
  await hasty.close();
  const waiting = storage.put("x", text("3"));
  child.kill("SIGKILL");
  await waiting;
  assert.equal((await bytesOf(storage.get("x"))).toString(), "3");
});

test("objects are readable by their owner only, in folders of their owner only", async (t) => {
  const { directory, storage } = await makeStorage(t);
  await storage.put("a/b", text("secret"));
  assert.equal((await stat(join(directory, "a/b"))).mode & 0o777, 0o600);
  assert.equal((await stat(join(directory, "a"))).mode & 0o777, 0o700);
  assert.equal((await stat(join(directory, ".tmp"))).mode & 0o777, 0o700);
});

test("symbolic links neither lead out of the root nor count as objects", async (t) => {
  const { directory, storage } = await makeStorage(t);
  const outside = await mkdtemp(join(tmpdir(), "lifeboat-outside-"));
  t.after(() => rm(outside, { recursive: true }));
  await writeFile(join(outside, "secret"), "secret");
  await symlink(outside, join(directory, "folder"));
  await symlink(join(outside, "secret"), join(directory, "file"));
  await assert.rejects(storage.put("folder/x", text("x")), hasCode("STORAGE_REFUSED"));
  await assert.rejects(bytesOf(storage.get("folder/secret")), hasCode("STORAGE_REFUSED"));
  await assert.rejects(storage.delete("folder/secret"), hasCode("STORAGE_REFUSED"));
  await assert.rejects(bytesOf(storage.get("file")), hasCode("OBJECT_MISSING"));
  assert.equal(await storage.head("file"), undefined);
  assert.deepEqual(await collect(storage.list("")), []);
  await storage.put("file", text("ours"));
  assert.equal(await readFile(join(outside, "secret"), "utf8"), "secret");
  assert.deepEqual(await readdir(outside), ["secret"]);
});

test("a file cut off while it is read is an error, never short", async (t) => {
  const { directory, storage } = await makeStorage(t);
  await storage.put("x", generatedBytes(2_000_000));
  const reading = storage.get("x")[Symbol.asyncIterator]();
  await reading.next();
  await truncate(join(directory, "x"), 1_000_000);
  const rest = async (): Promise<void> => {
    for (let next = await reading.next(); !next.done; next = await reading.next());
  };
  await assert.rejects(rest(), hasCode("INTEGRITY"));
});

test("a missing directory, a file in its place, and one that may not be written are told apart", async (t) => {
  const { directory } = await makeStorage(t);
  const at = (name: string) => openLocalStorage({ directory: join(directory, name) });
  await assert.rejects(at("none").put("x", text("x")), hasCode("STORAGE_NOT_FOUND"));
  await assert.rejects(at("none").head("x"), hasCode("STORAGE_NOT_FOUND"));
  await assert.rejects(collect(at("none").list("")), hasCode("STORAGE_NOT_FOUND"));
  await writeFile(join(directory, "file"), "");
  await assert.rejects(at("file").put("x", text("x")), hasCode("STORAGE_NOT_FOUND"));
});

test("an object where a folder is wanted, or a folder where an object is, is refused by name", async (t) => {
  const { storage } = await makeStorage(t);
  await storage.put("a/b", text("x"));
  await assert.rejects(storage.put("a", text("x")), hasCode("STORAGE_REFUSED"));
  await assert.rejects(storage.put("a/b/c", text("x")), hasCode("STORAGE_REFUSED"));
  assert.equal(await storage.head("a"), undefined);
  assert.equal(await storage.head("a/b/c"), undefined);
  await assert.rejects(bytesOf(storage.get("a/b/c")), hasCode("OBJECT_MISSING"));
  await assert.rejects(storage.put(".tmp/x", text("x")), hasCode("NAME_INVALID"));
});

test("puts and deletes that race over one folder lose nothing", async (t) => {
  const { directory, storage } = await makeStorage(t);
  const other = openLocalStorage({ directory });
  const busy = async (of: typeof storage, who: string): Promise<void> => {
    for (let round = 0; round < 40; round++) {
      await of.put(`deep/er/${who}`, text(String(round)), round % 2 === 0 ? { ifAbsent: true } : {});
      assert.equal((await bytesOf(of.get(`deep/er/${who}`))).toString(), String(round));
      await of.delete(`deep/er/${who}`);
    }
  };
  await Promise.all([busy(storage, "one"), busy(other, "two"), busy(other, "three")]);
  await other.close();
  assert.deepEqual(await readdir(directory), [".tmp"], "empty folders are gone");
});

test("the etag changes even when the same bytes are written twice", async (t) => {
  const { storage } = await makeStorage(t);
  const etags = new Set<string>();
  for (let round = 0; round < 50; round++) etags.add((await storage.put("x", text("same"))).etag);
  assert.equal(etags.size, 50);
});

test("sweep tells unfinished writes by age and by prefix", async (t) => {
  const { directory, storage, unfinished } = await makeStorage(t);
  await storage.put("x", text("x"));
  const remains = ["u1+a+b", "u2+a+c", "u3+b"].map((name) => join(directory, ".tmp", name));
  for (const path of remains) await writeFile(path, "");
  await utimes(remains[0] ?? "", 1000, 1000);
  await utimes(remains[2] ?? "", 1000, 1000);
  assert.equal(await storage.sweep("a/", new Date(Date.now() - 3_600_000)), 1);
  assert.deepEqual((await unfinished()).sort(), ["u2+a+c", "u3+b"]);
  assert.equal(await storage.sweep("", new Date(Date.now() - 3_600_000)), 1);
  assert.deepEqual(await unfinished(), ["u2+a+c"]);
});

test("R33 the version of a folder moves with every change in it and in its direct entries", async (t) => {
  const { directory, storage } = await makeStorage(t);
  const entries = Array.from({ length: 70 }, (_, at) => `entry${at}`);
  for (const name of entries) {
    await mkdir(join(directory, "large", name), { recursive: true });
    await writeFile(join(directory, "large", name, "object"), "1");
  }
  const version = () => storage.folderVersion?.("large/");
  const seen = [await version()];
  const steps = [
    () => rm(join(directory, "large/entry7/object")),
    () => writeFile(join(directory, "large/entry69/another"), "1"),
    () => writeFile(join(directory, "large/object"), "1"),
    () => rm(join(directory, "large/entry0"), { recursive: true }),
  ];
  for (const step of steps) {
    // The clock that stamps changes is coarse: the next one must meet another tick.
    const last = seen.at(-1);
    while (last !== undefined && (await storage.put("tick", text("x"))).modifiedAt <= last.changedAt);
    await step();
    seen.push(await version());
    assert.deepEqual(await version(), seen.at(-1));
  }
  assert.equal(new Set(seen.map((one) => one?.version)).size, steps.length + 1);
  assert.equal(await storage.folderVersion?.("missing/"), undefined);
});
