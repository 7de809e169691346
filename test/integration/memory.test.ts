import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Blast } from "../support/bombs.ts";

const MIB = 1024 * 1024;
const PROGRAM = fileURLToPath(new URL("../support/bombs.ts", import.meta.url));

async function blast(kind: string): Promise<Blast> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", PROGRAM, kind]);
  return JSON.parse(stdout) as Blast;
}

/** Node, our code and two windows take about 100 MiB. */
const MOST_BYTES = 350 * MIB;

test("R56 a fingerprint of 98 kB that expands to 3 GB, as its manifest says, is refused before it is read", async () => {
  const { code, message, mostBytes, storedBytes, wasRead } = await blast("fingerprint");
  assert.ok(storedBytes < 100_000, `${storedBytes} bytes`);
  assert.deepEqual([code, wasRead], ["INTEGRITY", false], message);
  assert.ok(mostBytes < MOST_BYTES, `${mostBytes} bytes`);
});

test("R56 a fingerprint that expands to more than its manifest says is left at that byte", async () => {
  const { code, message, mostBytes } = await blast("longer");
  assert.equal(code, "INTEGRITY", message);
  assert.match(message, /continues after byte 5000/);
  assert.ok(mostBytes < MOST_BYTES, `${mostBytes} bytes`);
});

test("R56 a log segment of 3 GB is refused before it is read", async () => {
  const { code, message, mostBytes } = await blast("segment");
  assert.equal(code, "INTEGRITY", message);
  assert.ok(mostBytes < MOST_BYTES, `${mostBytes} bytes`);
});

test("R56 a frame that asks for a window of 64 MiB gets none", async () => {
  const { code, message, mostBytes } = await blast("window");
  assert.equal(code, "INTEGRITY", message);
  assert.match(message, /memory/);
  assert.ok(mostBytes < MOST_BYTES, `${mostBytes} bytes`);
});
