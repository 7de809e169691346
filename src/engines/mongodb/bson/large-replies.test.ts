import assert from "node:assert/strict";
import { test } from "node:test";
import { LargeReplies } from "./large-replies.ts";

test("large replies have one turn at a time, in the order in which they were asked for", async () => {
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
