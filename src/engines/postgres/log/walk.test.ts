import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { buildLog } from "../../../../test/support/log-builder.ts";
import { isLifeboatError } from "../../../core/errors.ts";
import type { SegmentFacts } from "../../../core/log.ts";
import { openSegment } from "./open-segment.ts";
import { readSegment } from "./segments.ts";

const SEGMENT = 1 << 20;

/** Every record of a log, as the reader sees it from segment to segment. */
function follow(segments: ReturnType<typeof buildLog>["segments"]): { at: number; previousEnd: number }[] {
  const seen: { at: number; previousEnd: number }[] = [];
  let before: SegmentFacts | undefined;
  for (const [index, { name, bytes }] of segments.entries()) {
    const segment = openSegment(name, bytes, before);
    segment.walk((at, previousEnd) => {
      seen.push({ at: at + index * SEGMENT, previousEnd: previousEnd + index * SEGMENT });
      return false;
    });
    const read = readSegment(name, bytes, before);
    assert.equal(read.linked, before !== undefined, `${name} is linked`);
    before = JSON.parse(JSON.stringify(read.facts)) as SegmentFacts;
  }
  return seen;
}

test("a header that a page or a segment cuts at any of its bytes is put together again", () => {
  // The first record ends so that the next one's header is cut 0, 8 or 16 bytes before the end of a page, and of the segment.
  for (const end of [8192, 3 * 8192, SEGMENT]) {
    for (const left of [0, 8, 16, 24, 32]) {
      const pages = end / 8192;
      const dataBytes = end - 40 - (pages - 1) * 24 - left - 24;
      for (const next of [2, 7, 100, 9000, 2_500_000]) {
        const { records, segments } = buildLog([dataBytes, next, 50]);
        assert.equal(records[0]?.end, end - left);
        const seen = follow(segments);
        assert.deepEqual(
          seen.map(({ at }) => at),
          records.map(({ at }) => at),
        );
        for (const [index, { previousEnd }] of seen.entries()) if (index > 0) assert.equal(previousEnd, records[index - 1]?.end);
      }
    }
  }
});

test("records of any lengths are followed through any number of segments", () => {
  const length = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 2, max: 9000 }) }, fc.integer({ min: 2, max: 1_500_000 }));
  fc.assert(
    fc.property(fc.array(length, { minLength: 1, maxLength: 60 }), (lengths) => {
      const { records, segments } = buildLog(lengths);
      assert.deepEqual(
        follow(segments).map(({ at }) => at),
        records.map(({ at }) => at),
      );
    }),
    { numRuns: 25 },
  );
});

test("a record over several segments is proven where it ends, and the state between stays small", () => {
  const { segments } = buildLog([4_000_000]);
  const damaged = segments.map(({ name, bytes }, index) => ({ name, bytes: index === 2 ? Uint8Array.from(bytes) : bytes }));
  const third = damaged[2] as { bytes: Uint8Array };
  third.bytes[500_000] = (third.bytes[500_000] as number) ^ 1;
  let before: SegmentFacts | undefined;
  assert.throws(
    () => {
      for (const { name, bytes } of damaged) {
        before = readSegment(name, bytes, before).facts;
        assert.ok(JSON.stringify(before.tail ?? {}).length < 300);
      }
    },
    (error) => isLifeboatError(error, "INTEGRITY") && error.message.includes("checksum"),
  );
});
