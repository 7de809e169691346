import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type PointJson, pointJson } from "../../core/restore-point.ts";
import { bySource, isAfter, pageOf, placeOf } from "./page.ts";

const pointAt = (source: string, ms: number, id: string): PointJson =>
  pointJson({
    ...{ id, source, kind: "full", name: id, time: new Date(ms), endedAt: new Date(ms), sizeBytes: 1, sourceBytes: 1, tiers: [] },
    madeBy: "op@host",
  });

test("R51 pages have each point once, in order, also when points come and go between them", () => {
  const place = fc.tuple(fc.constantFrom("a", "b", "shop"), fc.integer({ min: 0, max: 5 }));
  fc.assert(
    fc.property(fc.array(place, { maxLength: 30 }), fc.integer({ min: 1, max: 7 }), (places, size) => {
      const all = places.map(([source, ms], at) => pointAt(source, ms, `id${String(at).padStart(2, "0")}`)).sort(bySource);
      const seen: string[] = [];
      let left = all;
      for (let cursor: string | undefined; ; ) {
        const after = cursor === undefined ? undefined : placeOf(cursor);
        const page = pageOf(
          left.filter((point) => isAfter(point, after)),
          size,
        );
        assert.ok(page.points.length <= size);
        seen.push(...page.points.map(({ id }) => id));
        // What was seen goes, the last one included, on which the cursor stands.
        left = all.filter(({ id }) => !seen.includes(id));
        if (page.nextCursor === null) break;
        cursor = page.nextCursor;
      }
      assert.deepEqual(
        seen,
        all.map(({ id }) => id),
      );
    }),
  );
  assert.throws(() => placeOf("nonsense"), { code: "USAGE" });
});
