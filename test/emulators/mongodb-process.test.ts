// The sandbox's MongoDB server as a process of its own.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { MongoClient } from "mongodb";

const MAIN = new URL("../../packages/sandbox/mongo/main.ts", import.meta.url).pathname;

async function begin(...argv: string[]): Promise<{ readonly child: ChildProcess; readonly url: string }> {
  const child = spawn(process.execPath, [MAIN, ...argv], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(child.stdout as NodeJS.ReadableStream, "data");
  return { child, url: JSON.parse(String(line)).url };
}

async function setNameAt(url: string): Promise<unknown> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000 });
  try {
    return (await client.db("admin").command({ hello: 1 })).setName;
  } finally {
    await client.close();
  }
}

test("R54 a server of its own process says where it is, and ends when its input ends", async () => {
  const { child, url } = await begin("--replica-set", "blue");
  assert.equal(await setNameAt(url), "blue");
  child.stdin?.end();
  assert.deepEqual(await once(child, "exit"), [0, null]);
});

test("R54 a server of its own process ends when it is told, with clients connected", async () => {
  const { child, url } = await begin("--standalone");
  const client = new MongoClient(url);
  try {
    await client.db("admin").command({ ping: 1 });
    child.kill("SIGTERM");
    assert.deepEqual(await once(child, "exit"), [0, null]);
  } finally {
    await client.close();
  }
});
