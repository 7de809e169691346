import assert from "node:assert/strict";
import { test } from "node:test";
import { drivenClock, temporaryRepository } from "../../../test/support/repository.ts";
import type { Context } from "../context.ts";
import { holdersOf, reasonsOf } from "./holders.ts";

test("R36 a look at many sources that takes longer than clocks may differ does not report them as apart", async (t) => {
  const clock = drivenClock();
  const repository = await temporaryRepository(t, clock);
  const holders = await holdersOf({ repository, clock } as unknown as Context);
  clock.advance(120_000);
  assert.deepEqual(reasonsOf(holders, "shop", ["shop"]), []);
  const ahead = { ...holders, at: new Date(holders.at.getTime() + 120_000) };
  assert.deepEqual(
    reasonsOf(ahead, "shop", ["shop"]).map(({ code }) => code),
    ["CLOCK_OFF"],
  );
});
