import assert from "node:assert/strict";
import { test } from "node:test";
import { freeLarge, LARGE_BYTES, LargeReplies } from "./large-replies.ts";

test("large replies have one turn at a time, in the order of the requests", async () => {
  const large = new LargeReplies();
  const log: string[] = [];
  const take = async (name: string): Promise<() => void> => {
    const end = await large.begin();
    log.push(name);
    return end;
  };
  const first = await take("first");
  const second = take("second");
  const third = take("third");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(log, ["first"]);
  first();
  (await second)();
  (await third)();
  assert.deepEqual(log, ["first", "second", "third"]);
});

test("a first reply has a turn until one was small, and always once one was large", async () => {
  const large = new LargeReplies();
  (await large.beginUnknown())?.();
  assert.equal(large.isLarge(10), false);
  assert.equal(await large.beginUnknown(), undefined);
  assert.equal(large.isLarge(LARGE_BYTES + 1), true);
  assert.equal(large.isLarge(10), false);
  assert.equal(typeof (await large.beginUnknown()), "function");
});

test("the memory of a large reply is freed at once, that of a small one is not", () => {
  const [small, reply] = [new Uint8Array(10), new Uint8Array(LARGE_BYTES + 1)];
  const view = reply.subarray(5, 10);
  for (const bytes of [small, view, view]) freeLarge(bytes);
  assert.deepEqual([small.length, reply.length, view.length], [10, 0, 0]);
});
