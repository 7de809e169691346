import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatBytes, formatDuration, formatInstant, formatRate, parseDuration, parseKeep } from "./duration.ts";
import { isLifeboatError } from "./errors.ts";

const DAY = 86_400_000;

test("durations are parsed with calendar-free lengths", () => {
  const known: readonly [string, number][] = [
    ["30s", 30_000],
    ["15m", 900_000],
    ["1h", 3_600_000],
    ["7d", 7 * DAY],
    ["2w", 14 * DAY],
    ["3mo", 90 * DAY],
    ["1y", 365 * DAY],
    ["1h30m", 5_400_000],
    ["1h 30m", 5_400_000],
    [" 1y2mo3w4d5h6m7s ", (365 + 60 + 21 + 4) * DAY + 18_367_000],
    ["0s", 0],
  ];
  for (const [text, ms] of known) assert.equal(parseDuration(text), ms, text);
});

test("an invalid duration is refused with the likely intent", () => {
  const wrong: readonly [string, RegExp][] = [
    ["30", /did you mean 30s, 30m, 30h or 30d\?/],
    ["30 days", /did you mean 30d\?/],
    ["5M", /did you mean 5m or 5mo\?/],
    ["1.5h", /did you mean 1h30m\?/],
    ["1,5d", /did you mean 1d12h\?/],
    ["90min", /did you mean 90m\?/],
    ["30m1h", /did you mean 1h30m\?/],
    ["1h1h", /^"1h1h" is not a duration$/],
    ["1.0001s", /^"1.0001s" is not a duration$/],
    ["soon", /^"soon" is not a duration$/],
    ["", /^"" is not a duration$/],
    ["-7d", /^"-7d" is not a duration$/],
    ["1000y", /1000 years or more/],
    ["99999999999999999999999d", /1000 years or more/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(
      () => parseDuration(text),
      (error) => isLifeboatError(error, "USAGE") && message.test(error.message) && /7d/.test(error.hint),
      text,
    );
  }
});

test("a time to keep is a duration above zero, or forever", () => {
  assert.equal(parseKeep("30d"), 30 * DAY);
  assert.equal(parseKeep("forever"), "forever");
  for (const text of ["Forever", "FOREVER", "always", "never"]) assert.throws(() => parseKeep(text), /did you mean forever\?/, text);
  assert.throws(() => parseKeep("0d"), /would keep nothing/);
  assert.throws(() => parseDuration("forever"), /not a duration/);
});

test("every suggested duration is itself valid", () => {
  const messy = fc.tuple(
    fc.nat(500),
    fc.constantFrom("", ".5", ",25", ".125"),
    fc.constantFrom("", " "),
    fc.constantFrom("", "S", "sec", "mins", "M", "hours", "Day", "weeks", "MO", "month", "yr", "x"),
  );
  fc.assert(
    fc.property(messy, (parts) => {
      try {
        parseDuration(parts.join(""));
      } catch (error) {
        assert.ok(isLifeboatError(error, "USAGE"));
        const meant = /did you mean (.*)\?$/.exec(error.message)?.[1];
        for (const suggestion of meant?.split(/, | or /) ?? []) parseDuration(suggestion);
      }
    }),
  );
});

test("a compound duration is the sum of its parts", () => {
  const amounts = fc.record({ d: fc.nat(400), h: fc.nat(100), m: fc.nat(100), s: fc.nat(100) });
  fc.assert(
    fc.property(amounts, ({ d, h, m, s }) => {
      assert.equal(parseDuration(`${d}d${h}h${m}m${s}s`), (((d * 24 + h) * 60 + m) * 60 + s) * 1000);
    }),
  );
});

test("durations are shown in two units at most", () => {
  const known: readonly [number, string][] = [
    [0, "0 ms"],
    [350, "350 ms"],
    [999.6, "1.0 s"],
    [4234, "4.2 s"],
    [59_949, "59.9 s"],
    [59_950, "1m"],
    [125_000, "2m 05s"],
    [3_599_400, "59m 59s"],
    [3_599_600, "1h"],
    [3_900_000, "1h 05m"],
    [85_200_000, "23h 40m"],
    [86_399_000, "1d"],
    [3 * DAY + 4 * 3_600_000, "3d 4h"],
    [30 * DAY, "30d"],
    [-5000, "-5.0 s"],
    [Number.NaN, "unknown"],
    [Number.POSITIVE_INFINITY, "unknown"],
  ];
  for (const [ms, text] of known) assert.equal(formatDuration(ms), text, `${ms}`);
});

test("a formatted duration of up to two adjacent units parses back to itself", () => {
  const unit = fc.constantFrom([1000, 60_000, 60] as const, [60_000, 3_600_000, 60] as const, [3_600_000, DAY, 24] as const);
  fc.assert(
    fc.property(unit, fc.integer({ min: 1, max: 20 }), fc.nat(59), ([small, large, per], count, rest) => {
      const ms = count * large + (rest % per) * small;
      assert.equal(parseDuration(formatDuration(ms)), ms);
    }),
  );
});

test("a formatted duration differs from the exact one by at most a twentieth", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 * DAY }), (ms) => {
      const read = [...formatDuration(ms).matchAll(/([\d.]+) ?(ms|[smhd])/g)].reduce((sum, [, amount, unit]) => {
        return sum + Number(amount) * ({ ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: DAY }[unit ?? ""] ?? Number.NaN);
      }, 0);
      assert.ok(Math.abs(read - ms) <= ms / 20, `${ms} is shown as ${formatDuration(ms)}`);
    }),
  );
});

test("sizes and rates are shown in powers of a thousand", () => {
  const known: readonly [number, string][] = [
    [0, "0 B"],
    [999, "999 B"],
    [1000, "1.0 kB"],
    [99_950, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [1_234_000_000, "1.2 GB"],
    [340_000_000, "340 MB"],
    [-5, "-5 B"],
    [Number.NaN, "unknown"],
  ];
  for (const [sizeBytes, text] of known) assert.equal(formatBytes(sizeBytes), text);
  assert.equal(formatRate(296_000_000, 2000), "148 MB/s");
  assert.equal(formatRate(1, 0), "unknown");
});

test("a size is never shown with four digits before its unit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (sizeBytes) =>
      /^(\d{1,3}|\d{1,2}\.\d) [kMGTP]?B$/.test(formatBytes(sizeBytes)),
    ),
  );
});

test("instants are formatted in UTC, to the minute", () => {
  assert.equal(formatInstant(new Date("2026-11-21T02:03:59Z")), "2026-11-21 02:03 UTC");
});
