import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import { archive as archiveOf, type Given } from "../base/testing.ts";
import { unpackArchive } from "./unpack-archive.ts";

/** A tar archive of empty files. */
function archive(...names: readonly string[]): Buffer {
  const headers = names.map((name) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write("0000600\0", 100);
    header.write("0000000\0", 108);
    header.write("0000000\0", 116);
    header.write("00000000000\0", 124);
    header.write("00000000000\0", 136);
    header.fill(" ", 148, 156);
    header.write("0", 156);
    header.write("ustar\x0000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return header;
  });
  return Buffer.concat([...headers, Buffer.alloc(1024)]);
}

async function* inPieces(bytes: Buffer, waitMs = 0): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 512) {
    yield new Uint8Array(bytes.subarray(at, at + 512));
    if (waitMs > 0) await sleep(waitMs);
  }
}

function root(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-u-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test("every file of an archive is written and told of, and what is left out is only told of", async (t) => {
  const directory = root(t);
  const told: string[] = [];
  const task = { root: directory, owner: undefined, leftOut: ["b"] };
  await unpackArchive(inPieces(archive("a", "b")), task, (path) => void told.push(path));
  assert.deepEqual(told, ["a", "b"]);
  assert.ok(existsSync(join(directory, "a")) && !existsSync(join(directory, "b")));
});

test("when feeder, thread or listener fails, the thread ends and the first cause is thrown", async (t) => {
  const cause = new LifeboatError("INTEGRITY", "named twice");
  const task = (): Parameters<typeof unpackArchive>[1] => ({ root: root(t), owner: undefined, leftOut: [] });
  await assert.rejects(
    unpackArchive(inPieces(archive("a", "b", "c"), 100), task(), () => {
      throw cause;
    }),
    (error) => error === cause,
  );
  const broken = async function* (): AsyncIterable<Uint8Array> {
    yield* inPieces(archive("a").subarray(0, 512));
    throw cause;
  };
  await assert.rejects(
    unpackArchive(broken(), task(), () => {}),
    (error) => error === cause,
  );
  await assert.rejects(
    unpackArchive(inPieces(archive("a").subarray(0, 512)), task(), () => {}),
    (error) => isLifeboatError(error, "INTEGRITY"),
  );
  await assert.rejects(
    unpackArchive(inPieces(archive("a", "a")), task(), () => {}),
    (error) => isLifeboatError(error, "INTEGRITY"),
  );
});

test("R56 hostile names in a tar archive are damage, and nothing is written outside of the directory", async (t) => {
  const parent = root(t);
  const hostile: readonly (readonly Given[])[] = [
    [{ path: "." }],
    [{ path: "./" }],
    [{ path: "" }],
    [{ path: "/" }],
    [{ path: ".." }],
    [{ path: "/tmp/outside" }],
    [{ path: "../outside" }],
    [{ path: "..\0x" }],
    [{ path: "a" }, { path: "a" }],
    [{ path: "a/", type: "5" }, { path: "a" }],
    [{ path: "a" }, { path: "a/", type: "5" }],
    [{ path: "a" }, { path: "a/b" }],
    [{ path: "a", type: "2", link: ".." }, { path: "a/outside" }],
    [{ path: "a", type: "1", link: "/etc/passwd" }],
    [{ path: "x".repeat(99), type: "0", size: Buffer.from("99999999999 ") }],
  ];
  for (const [index, given] of hostile.entries()) {
    const directory = join(parent, `case-${index}`);
    mkdirSync(directory);
    const task = { root: directory, owner: undefined, leftOut: [] };
    await assert.rejects(
      unpackArchive(inPieces(archiveOf(given)), task, () => {}),
      (error) => isLifeboatError(error, "INTEGRITY"),
      JSON.stringify(given),
    );
  }
  assert.deepEqual(readdirSync(parent).sort(), hostile.map((_, index) => `case-${index}`).sort());
});

test("R56 an omitted name is omitted as a directory too; an unreadable directory is made readable", async (t) => {
  const directory = root(t);
  const task = { root: directory, owner: undefined, leftOut: ["recovery.signal"] };
  const given = [
    { path: "./", type: "5" },
    { path: "recovery.signal/x" },
    { path: "shut/", type: "5", mode: "0000000 " },
    { path: "shut/in" },
  ];
  await unpackArchive(inPieces(archiveOf(given)), task, () => {});
  assert.deepEqual(readdirSync(directory), ["shut"]);
  assert.deepEqual(readdirSync(join(directory, "shut")), ["in"]);
  assert.equal(statSync(join(directory, "shut")).mode & 0o777, 0o700);
});
