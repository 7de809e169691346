import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "./slots.ts";

test("never more than so much at once, and all of it is done at the end", async () => {
  const slots = new Slots(3);
  let [now, most, done] = [0, 0, 0];
  for (let i = 0; i < 20; i++) {
    await slots.begin(async () => {
      now += 1;
      most = Math.max(most, now);
      await new Promise((resolve) => setImmediate(resolve));
      now -= 1;
      done += 1;
    });
  }
  await slots.end();
  assert.deepEqual([most, done], [3, 20]);
});

test("the first failure is the one that is told, and nothing is begun after it", async () => {
  const slots = new Slots(1);
  await slots.begin(() => Promise.reject(new Error("first")));
  let begun = false;
  await assert.rejects(
    (async () => {
      for (let i = 0; i < 3; i++) {
        await slots.begin(async () => {
          begun = i > 0;
        });
      }
    })(),
    /first/,
  );
  await assert.rejects(slots.end(), /first/);
  assert.equal(begun, false);
});
