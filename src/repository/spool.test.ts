import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, lstat, mkdir, readdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { testMaker } from "../../test/support/maker.ts";
import { temporaryDirectory } from "../../test/support/repository.ts";
import { isLifeboatError } from "../core/errors.ts";
import { emptySpool, fillSpool, planSpool, undoSpool } from "./spool.ts";

async function* of(...chunks: string[]): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) yield new TextEncoder().encode(chunk);
}

const gone = (path: string): Promise<void> => assert.rejects(stat(path), { code: "ENOENT" });

test("a spool is private, complete, and deleted when it is emptied", async (t) => {
  const spool = planSpool(testMaker("job1"), await temporaryDirectory(t));
  await fillSpool(spool, of("plain ", "bytes"), 11);
  assert.equal(await readFile(spool.path, "utf8"), "plain bytes");
  assert.equal((await stat(spool.path)).mode & 0o777, 0o600);
  assert.equal((await stat(dirname(spool.path))).mode & 0o777, 0o700);
  await emptySpool(spool);
  await gone(spool.path);
});

test("R56 a spool has no name: its path is a link that dangles once its process has ended", {
  skip: process.platform !== "linux",
}, async (t) => {
  const directory = await temporaryDirectory(t);
  const maker = { jobId: "job1", prove: () => "proof", unended: true };
  const spool = planSpool(maker, directory);
  const program = `
    import { fillSpool, planSpool } from ${JSON.stringify(new URL("./spool.ts", import.meta.url).href)};
    const spool = planSpool({ jobId: "job1", prove: () => "proof" }, ${JSON.stringify(directory)});
    await fillSpool(spool, (async function* () { yield Buffer.from("plain rows"); })(), 10);
    console.log("filled");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e", program]);
  t.after(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  assert.equal(await readFile(spool.path, "utf8"), "plain rows", "it can be opened by path repeatedly");
  assert.equal(await readFile(spool.path, "utf8"), "plain rows");
  assert.deepEqual(await readdir(dirname(spool.path)), ["archive", "lifeboat.note"]);
  assert.ok((await lstat(spool.path)).isSymbolicLink());
  child.kill("SIGKILL");
  await once(child, "close");
  await gone(spool.path);
  assert.equal(await undoSpool(spool.resource, maker), "removed");
  assert.deepEqual(await readdir(directory), []);
});

test("damaged bytes leave no spool", async (t) => {
  const spool = planSpool(testMaker("job1"), await temporaryDirectory(t));
  async function* damaged(): AsyncIterable<Uint8Array> {
    yield new Uint8Array(5_000_000);
    throw new Error("digest differs");
  }
  await assert.rejects(fillSpool(spool, damaged(), 10), /digest differs/);
  await gone(spool.path);
});

test("a disk without enough space is refused before a byte is written", async (t) => {
  const spool = planSpool(testMaker("job1"), await temporaryDirectory(t));
  await assert.rejects(fillSpool(spool, of("x"), Number.MAX_SAFE_INTEGER / 2), (error) => isLifeboatError(error, "DISK_FULL"));
  await gone(spool.path);
});

test("a spool that a crash left is deleted only on its machine, and only by the note of its job", async (t) => {
  const maker = testMaker("job1");
  const spool = planSpool(maker, await temporaryDirectory(t));
  await fillSpool(spool, of("x"), 1);
  const { path = "" } = spool.resource.locator;
  assert.equal(await undoSpool({ kind: "spool", locator: { path, machine: "elsewhere 1 2" } }, maker), "elsewhere");
  for (const other of [testMaker("job1", { secret: "another" }), testMaker("job2")])
    await assert.rejects(undoSpool(spool.resource, other), /not proven to be the spool of job/);
  assert.ok(await stat(path));
  assert.equal(await undoSpool(spool.resource, maker), "removed");
  await gone(path);
  assert.equal(await undoSpool(spool.resource, maker), "absent", "idempotent");
});

test("R56 a directory with the name of a spool but not its note, and a link to one, are unchanged", async (t) => {
  const maker = testMaker("job1");
  const parent = await temporaryDirectory(t);
  const spool = planSpool(maker, parent);
  const directory = dirname(spool.path);
  await mkdir(directory);
  await writeFile(join(directory, "mine"), "x");
  await assert.rejects(undoSpool(spool.resource, maker), /not proven/);
  if (process.getuid?.() === 0) {
    await writeFile(join(directory, "lifeboat.note"), spool.mark);
    await chown(join(directory, "lifeboat.note"), 1, 1);
    await assert.rejects(undoSpool(spool.resource, maker), /not proven/, "another user's note does not count");
  }
  await rename(directory, join(parent, "elsewhere"));
  await symlink(join(parent, "elsewhere"), directory);
  await assert.rejects(undoSpool(spool.resource, maker), /not proven/);
  assert.equal(await readFile(join(parent, "elsewhere", "mine"), "utf8"), "x");
});

test("R56 the remains of a spool whose note was incomplete at a crash are deleted", async (t) => {
  const maker = testMaker("job1");
  const spool = planSpool(maker, await temporaryDirectory(t));
  for (const note of [undefined, "", spool.mark.slice(0, 9)]) {
    await mkdir(dirname(spool.path));
    if (note !== undefined) await writeFile(join(dirname(spool.path), "lifeboat.note"), note);
    assert.equal(await undoSpool(spool.resource, maker), "removed");
    await gone(dirname(spool.path));
  }
});
