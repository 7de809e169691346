// A storage on disk that is full, read-only or not ours to write: told apart in every write, and still read. And its clock.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { bytesOf, collect, generatedBytes } from "../../../test/support/bytes.ts";
import { LifeboatError } from "../../core/errors.ts";
import { openLocalStorage } from "./local.ts";

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

test("a full disk is STORAGE_FULL and leaves nothing", async (t) => {
  const { directory, unfinished } = await makeStorage(t);
  const small = join(directory, "small");
  await mkdir(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small], { stdio: "ignore" });
  } catch {
    return t.skip("a small file system cannot be mounted here");
  }
  const storage = openLocalStorage({ directory: small });
  try {
    await assert.rejects(storage.put("x", generatedBytes(4_000_000)), hasCode("STORAGE_FULL"));
    assert.deepEqual(await collect(storage.list("")), []);
    assert.deepEqual(
      (await readdir(join(small, ".tmp"))).filter((name) => name !== "lock"),
      [],
    );
    await storage.put("x", generatedBytes(100_000));
  } finally {
    await storage.close();
    execFileSync("umount", [small]);
  }
  assert.deepEqual(await unfinished().catch(() => []), []);
});

/** What a script says that another user than root runs, with `storage` on the directory; undefined: none can read this checkout. */
async function asOrdinaryUser(directory: string, script: string): Promise<string | undefined> {
  const module = JSON.stringify(new URL("./local.ts", import.meta.url).href);
  const whole = `const { openLocalStorage } = await import(${module}); const storage = openLocalStorage({ directory: process.argv[1] }); ${script}`;
  const isRoot = process.getuid?.() === 0; // root may write everywhere
  const child = spawn(process.execPath, ["--input-type=module", "-e", whole, directory], {
    stdio: ["ignore", "pipe", "pipe"],
    cwd: "/",
    ...(isRoot ? { uid: 65534, gid: 65534 } : {}),
  });
  let said = "";
  let complained = "";
  child.stdout.on("data", (words) => {
    said += words;
  });
  child.stderr.on("data", (words) => {
    complained += words;
  });
  await once(child, "close");
  if (said === "" && /EACCES|ERR_MODULE_NOT_FOUND|permission/i.test(complained)) return undefined;
  return said.trim() || complained;
}

const EVERY_WRITE = `
  const code = (work) => work.then(() => "done", (error) => error.code ?? error.message);
  console.log(await code(storage.put("y", new Uint8Array(1))), await code(storage.put("y", new Uint8Array(1), { ifAbsent: true })),
    await code(storage.put("x", new Uint8Array(1), { ifMatch: (await storage.head("x")).etag })), await code(storage.delete("x")));`;

test("R33 a directory that may not be written is STORAGE_AUTH to every write, and can be read", async (t) => {
  const { directory, storage } = await makeStorage(t);
  await storage.put("x", text("x"));
  await chmod(join(directory, "x"), 0o644);
  await chmod(join(directory, ".tmp"), 0o755);
  await chmod(directory, 0o555);
  const refused = await asOrdinaryUser(directory, EVERY_WRITE);
  const time = await asOrdinaryUser(directory, "console.log(Math.abs((await storage.now()) - Date.now()) < 60_000);");
  await chmod(directory, 0o700);
  if (refused === undefined) return t.skip("this checkout cannot be read by an ordinary user");
  assert.equal(refused, "STORAGE_AUTH STORAGE_AUTH STORAGE_AUTH STORAGE_AUTH");
  assert.equal(time, "true");
});

test("R33 a read-only file system is STORAGE_REFUSED to every write, and is read and tells the time", async (t) => {
  const { directory } = await makeStorage(t);
  const small = join(directory, "small");
  await mkdir(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small], { stdio: "ignore" });
  } catch {
    return t.skip("a small file system cannot be mounted here");
  }
  const storage = openLocalStorage({ directory: small });
  try {
    await storage.put("x", text("x"));
    const { etag = "" } = (await storage.head("x")) ?? {};
    await storage.close(); // its lock would keep the file system writable
    assert.ok(((await storage.freeBytes?.()) ?? 0) > 0);
    execFileSync("mount", ["-o", "remount,ro", small], { stdio: "ignore" });
    assert.equal(await storage.freeBytes?.(), 0);
    for (const write of [
      () => storage.put("y", text("y")),
      () => storage.put("y", text("y"), { ifAbsent: true }),
      () => storage.put("x", text("y"), { ifMatch: etag }),
      () => storage.delete("x"),
    ]) {
      await assert.rejects(
        write(),
        (error) => hasCode("STORAGE_REFUSED")(error) && /mount it writable/.test((error as LifeboatError).hint),
      );
    }
    assert.equal((await bytesOf(storage.get("x"))).toString(), "x");
    assert.ok(Math.abs((await storage.now()).getTime() - Date.now()) < 60_000);
  } finally {
    await storage.close();
    execFileSync("umount", [small]);
  }
});

test("R33 on a full disk objects can be removed, also by a process that finds no lock there yet", async (t) => {
  const { directory } = await makeStorage(t);
  const small = join(directory, "small");
  await mkdir(small);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", small], { stdio: "ignore" });
  } catch {
    return t.skip("a small file system cannot be mounted here");
  }
  const storage = openLocalStorage({ directory: small });
  try {
    await storage.put("x", text("x"));
    await storage.close();
    await rm(join(small, ".tmp/lock"), { force: true });
    await assert.rejects(storage.put("y", generatedBytes(4_000_000)), hasCode("STORAGE_FULL"));
    await writeFile(join(small, "filler"), Buffer.alloc(2_000_000)).catch(() => undefined);
    await storage.delete("x");
    assert.equal(await storage.head("x"), undefined);
  } finally {
    await storage.close();
    execFileSync("umount", [small]);
  }
});

test("R56 a writer cannot choose when the storage saw an object written", async (t) => {
  const { directory, storage } = await makeStorage(t);
  const { modifiedAt } = await storage.put("lease", text("x"));
  for (const year of ["1971", "2999"]) {
    const chosen = new Date(`${year}-01-01T00:00:00Z`);
    await utimes(join(directory, "lease"), chosen, chosen);
    const seen = (await storage.head("lease"))?.modifiedAt ?? new Date(0);
    assert.ok(Math.abs(seen.getTime() - modifiedAt.getTime()) < 60_000, `${seen.toISOString()} where ${year} was set`);
  }
});
