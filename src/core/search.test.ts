import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mostLooks, search, widthFor } from "./search.ts";

/** Answers from the values; fails when a place is asked twice or out of order. */
function run(values: readonly boolean[], width: number, extra: number) {
  const looking = search({ last: values.length - 1, width, extra });
  const asked = new Set<number>();
  let rounds = 0;
  let next = looking.next();
  while (!next.done) {
    rounds += 1;
    for (const [index, place] of next.value.entries()) {
      assert.ok(place > (next.value[index - 1] ?? -1) && place < values.length && !asked.has(place), `${place} of ${next.value}`);
      asked.add(place);
    }
    next = looking.next(next.value.map((place) => values[place] === true));
  }
  return { ...next.value, rounds, asked: asked.size };
}

const options = [fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 8 })] as const;

test("R42 search finds the last place at which a check held that breaks once, in few looks", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }), ...options, (size, at, width, extra) => {
      const held = Math.min(Math.floor(at * (size - 1)), size - 2);
      const values = Array.from({ length: size }, (_none, place) => place <= held);
      const found = run(values, width, extra);
      assert.equal(found.held, held);
      assert.equal(found.flips.length, 1);
      const rounds = Math.ceil(Math.log(size) / Math.log(width + 1)) + 2 + Math.ceil(extra / width) + extra;
      assert.ok(found.rounds <= rounds, `${found.rounds} rounds of at most ${rounds}`);
    }),
    { numRuns: 60 },
  );
});

test("R42 search answers with a place where the check held and then did not, and tells the flapping it saw", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 0, maxLength: 300 }), ...options, (inner, width, extra) => {
      const values = [true, ...inner, false];
      const found = run(values, width, extra);
      assert.ok(found.held !== undefined && values[found.held] === true && values[found.held + 1] === false);
      const seen = [...found.known].sort(([a], [b]) => a - b).map(([, value]) => value);
      const changes = seen.filter((value, index) => index > 0 && value !== seen[index - 1]).length;
      assert.equal(found.flips.length, changes);
      const falls = found.flips.filter(({ holds }) => !holds);
      assert.deepEqual(falls.at(-1), { after: found.held, until: found.held + 1, holds: false });
      if (width > values.length)
        assert.equal(found.held, values.lastIndexOf(true), "where every place is looked at, it is the last of all");
    }),
    { numRuns: 300 },
  );
});

test("R42 a check that breaks once takes no more looks and passes than its plan says", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }), ...options, (last, share, width, extra) => {
      const held = Math.min(last - 1, Math.floor(share * last));
      const values = Array.from({ length: last + 1 }, (_none, place) => place <= held);
      const searching = search({ last, width, extra });
      let [passes, places] = [0, 0];
      for (let next = searching.next(); next.done !== true; passes++) {
        places += next.value.length;
        next = searching.next(next.value.map((place) => values[place] === true));
      }
      const most = mostLooks({ last, width, extra });
      assert.ok(passes <= most.passes && places <= most.places, JSON.stringify({ passes, places, most }));
    }),
    { numRuns: 300, examples: [[5, 0, 2, 3]] },
  );
});

test("R42 extra looks find a check that came back far behind the place that bisection had found", () => {
  const values = Array.from({ length: 10_000 }, (_none, place) => place < 1_000 || (place > 5_000 && place < 9_000));
  const bisected = run(values, 1, 0);
  const looked = run(values, 1, 6);
  assert.equal(looked.held, 8_999);
  assert.equal(looked.flips.length, 3);
  assert.ok(bisected.asked < looked.asked);
});

test("R42 a check that never held, or still holds, has no place at which it broke", () => {
  for (const values of [
    [false, false, false],
    [true, true, true],
    [false, true],
  ])
    assert.equal(run(values, 1, 3).held, undefined);
});

test("R42 a history that is expensive to replay is looked at in one pass, a cheap one in several", () => {
  assert.equal(widthFor(1000, 3_600_000, 100), 1000);
  assert.equal(widthFor(1000, 2000, 100), 32);
  assert.equal(widthFor(10, 1, 100), 16);
});
