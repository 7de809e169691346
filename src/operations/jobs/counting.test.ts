import assert from "node:assert/strict";
import { test } from "node:test";
import { silentProgress } from "../../ports/progress.ts";
import { counting } from "./counting.ts";

test("R51 what takes longer than a second tells how much is done; what is quick tells nothing", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const told: string[] = [];
  const progress = {
    ...silentProgress,
    step: (name: string) => void told.push(name),
    count: (done: number, what: string, total?: number) => void told.push(`${done} of ${total} ${what}`),
  };
  const things = { step: "look", what: "sources", total: 3 };
  const found = await counting(progress, things, async (done) => {
    done(1);
    return "found";
  });
  t.mock.timers.tick(2_000);
  assert.equal(found, "found");
  assert.deepEqual(told, []);
  await counting(progress, things, async (done) => {
    done(1);
    t.mock.timers.tick(1_000);
    done(2);
  });
  assert.deepEqual(told, ["look", "1 of 3 sources", "3 of 3 sources", "3 of 3 sources"]);
});
