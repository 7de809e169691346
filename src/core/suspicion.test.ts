import assert from "node:assert/strict";
import { test } from "node:test";
import { pointAt } from "../../test/support/points.ts";
import type { RestorePoint } from "./restore-point.ts";
import { suspicionOf } from "./suspicion.ts";

/** One backup a day, with stored and source bytes. */
const series = (sizes: readonly (readonly [number, number])[]): RestorePoint[] =>
  sizes.map(([sizeBytes, sourceBytes], day) => pointAt(new Date(Date.UTC(2026, 0, 1 + day)), { sizeBytes, sourceBytes }));

const ofLast = (points: readonly RestorePoint[]): string | undefined => suspicionOf(points.at(-1) ?? assert.fail(), points);
const usual = Array.from({ length: 10 }, () => [1000, 10_000] as const);

test("a backup below half of the usual size, stored and at the source, is suspicious", () => {
  assert.match(
    ofLast(series([...usual, [499, 4999]])) ?? "",
    /suspiciously small: 499 B stored of a 5.0 kB source, where 1.0 kB of 10.0 kB were usual/,
  );
  assert.equal(ofLast(series([...usual, [500, 4999]])), undefined);
  assert.equal(ofLast(series([...usual, [499, 5000]])), undefined);
  assert.equal(ofLast(series([...usual, [1, 10_000]])), undefined, "better compression of an equal source is not suspicious");
  assert.notEqual(ofLast(series([...usual, [0, 0]])), undefined);
});

test("the first backup is never suspicious", () => {
  assert.equal(ofLast(series([[1, 1]])), undefined);
  assert.notEqual(
    ofLast(
      series([
        [1000, 1000],
        [1, 1],
      ]),
    ),
    undefined,
  );
});

test("the suspicion ends once small backups are usual, and only then", () => {
  const small = [10, 100] as const;
  const after = (count: number): string | undefined => ofLast(series([...usual, ...Array.from({ length: count }, () => small)]));
  assert.deepEqual(
    [1, 2, 3, 4].map((count) => after(count) !== undefined),
    [true, true, true, true],
  );
  assert.equal(after(5), undefined);
});

test("one odd earlier backup changes nothing, because the median decides", () => {
  const odd = [
    [100, 100],
    [1000, 1000],
    [1000, 1000],
  ] as const;
  assert.notEqual(ofLast(series([...odd, [499, 499]])), undefined);
  assert.equal(ofLast(series([...odd, [1000, 1000], [500, 500]])), undefined);
  assert.notEqual(
    ofLast(
      series([
        [400, 400],
        [1000, 1000],
        [349, 349],
      ]),
    ),
    undefined,
    "of two in the middle, their mean",
  );
  assert.equal(
    ofLast(
      series([
        [400, 400],
        [1000, 1000],
        [350, 350],
      ]),
    ),
    undefined,
  );
});

test("only backups of the same kind are compared, and only earlier ones", () => {
  const points = series([...usual, [10, 100]]);
  const schema = { ...(points.at(-1) ?? assert.fail()), kind: "schema" as const };
  assert.equal(suspicionOf(schema, [...points.slice(0, -1), schema]), undefined);
  const first = { ...(points[0] ?? assert.fail()), sizeBytes: 1, sourceBytes: 1 };
  assert.equal(suspicionOf(first, [first, ...points.slice(1)]), undefined);
});

test("the size of a provider's snapshot is never suspicious", () => {
  const points = series([...usual, [0, 0]]).map((point) => ({ ...point, kind: "snapshot" as const }));
  assert.equal(ofLast(points), undefined);
});
