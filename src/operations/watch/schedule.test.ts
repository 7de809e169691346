import assert from "node:assert/strict";
import { test } from "node:test";
import { drivenClock, temporaryDirectory, temporaryRepository } from "../../../test/support/repository.ts";
import { LifeboatError } from "../../core/errors.ts";
import { openCatalog } from "../../repository/catalog.ts";
import { Journal } from "../../repository/journal.ts";
import type { Context, Source } from "../context.ts";
import { delayOf } from "../sources.ts";
import { isExpiryDue, nextSlotOf } from "./schedule.ts";

test("R24 the delay of a source is always the same, within the jitter, and differs between sources", () => {
  const names = Array.from({ length: 40 }, (_, index) => `shop${index}`);
  const delays = names.map((name) => delayOf({ name, jitterMs: 600_000 }));
  assert.deepEqual(
    delays,
    names.map((name) => delayOf({ name, jitterMs: 600_000 })),
  );
  assert.ok(delays.every((delay) => delay >= 0 && delay < 600_000));
  assert.ok(new Set(delays).size > 30);
  assert.equal(delayOf({ name: "shop" }), 0);
});

test("R24 the next slot of a source is the earliest of its schedules, after its delay", () => {
  const source = {
    name: "shop",
    managed: false,
    engine: {},
    policy: { tiers: [{ tier: "daily", cron: "0 2 * * *", keepMs: 1 }] },
    expireCron: "0 1 * * * Europe/Berlin",
    jitterMs: 600_000,
  } as unknown as Parameters<typeof nextSlotOf>[0];
  const delayMs = delayOf(source);
  const after = (text: string): Date => new Date(Date.parse(text) + delayMs);
  assert.deepEqual(nextSlotOf(source, new Date("2026-11-29T00:30:00Z")), after("2026-11-29T02:00:00Z"));
  assert.deepEqual(nextSlotOf(source, new Date("2026-11-29T12:00:00Z")), after("2026-11-30T00:00:00Z"));
  // Within the delay, the slot is still to come.
  assert.deepEqual(nextSlotOf(source, new Date(after("2026-11-29T02:00:00Z").getTime() - 1000)), after("2026-11-29T02:00:00Z"));
});

test("R24 R53 an expiry is done once per slot; one that was killed or cancelled was not done", async (t) => {
  const clock = drivenClock("2026-11-29T04:05:00.000Z");
  const repository = await temporaryRepository(t, clock);
  const catalog = openCatalog(repository, await temporaryDirectory(t), () => clock.now().getTime());
  t.after(() => catalog.close());
  const source = { name: "shop", expireCron: "0 4 * * *" } as unknown as Source;
  const isDue = () => isExpiryDue({ catalog, clock } as unknown as Context, source, { signal: new AbortController().signal });
  const expire = async (id: string, error?: LifeboatError) => {
    const journal = Journal.prepare(repository, clock, { id, verb: "expire", source: "shop", lifeboat: "test" });
    await journal.write();
    assert.equal(await isDue(), false, "one that runs is not begun again");
    await journal.end(error === undefined ? {} : { error });
    clock.advance(1000);
  };
  assert.equal(await isDue(), true);
  await expire("01zzzzzzzzzzz1", new LifeboatError("CANCELLED", "its process ended before it did"));
  assert.equal(await isDue(), true);
  await expire("01zzzzzzzzzzz2", new LifeboatError("INTEGRITY", "a manifest is missing"));
  assert.equal(await isDue(), false, "what failed is tried again at the next slot");
  clock.advance(24 * 3_600_000);
  assert.equal(await isDue(), true);
  await expire("01zzzzzzzzzzz3");
  assert.equal(await isDue(), false);
});
