import assert from "node:assert/strict";
import { test } from "node:test";
import { at } from "../../test/support/log.ts";
import type { LogFlaw } from "./log.ts";
import { type LogHealthFacts, logReasons } from "./log-health.ts";
import { dateOfMicros } from "./micros.ts";

const DAY = 86_400;
/** An archive that is ten days old, is complete for the last eight days, and is a minute behind. */
const sound: LogHealthFacts = {
  window: { earliest: at(2 * DAY), latest: at(10 * DAY - 60) },
  flaws: [],
  unreadable: [],
  segments: 5000,
  bases: 3,
  since: dateOfMicros(at(0)),
  windowMs: 7 * DAY * 1000,
  rpoSeconds: 300,
  now: dateOfMicros(at(10 * DAY)),
};
const codes = (change: Partial<LogHealthFacts>): string[] => [...logReasons({ ...sound, ...change })].map(({ code }) => code);
const flaw = (kind: LogFlaw["kind"], from: number | undefined, to: number | undefined): LogFlaw => ({
  kind,
  segment: "x",
  from: from === undefined ? undefined : at(from * DAY),
  to: to === undefined ? undefined : at(to * DAY),
  message: "a gap",
});

test("R25 an archive that covers the configured window gives no finding", () => {
  assert.deepEqual(codes({}), []);
});

test("R36 another server at the source's address is an alarm until a backup of it is there", () => {
  const stored = (...systems: string[]): Partial<LogHealthFacts> => ({ storedSystems: new Set(systems) });
  assert.deepEqual(codes({ system: "7", ...stored("6") }), ["SOURCE_REPLACED"]);
  assert.deepEqual(codes({ system: "7", ...stored("6", "7") }), []);
  assert.deepEqual(codes({ system: "7", ...stored() }), [], "nothing is stored that it could differ from");
  assert.deepEqual(codes({ system: "", ...stored("6") }), [], "it is not known which server answers");
});

test("R25 a gap within the configured window is an alarm; one that ended before it is not", () => {
  assert.deepEqual(codes({ flaws: [flaw("missing", 5, 6)] }), ["LOG_GAP"]);
  assert.deepEqual(codes({ flaws: [flaw("damaged", 5, 6)] }), ["LOG_DAMAGED"]);
  assert.deepEqual(codes({ flaws: [flaw("unlinked", 2, 4)] }), ["LOG_GAP"]);
  assert.deepEqual(codes({ flaws: [flaw("missing", 1, 2.9)] }), []);
  assert.deepEqual(codes({ flaws: [flaw("missing", 1, undefined)] }), ["LOG_GAP"], "it lasts until today");
  assert.deepEqual(codes({ flaws: [flaw("missing", 1, 2.9)], windowMs: undefined }), ["LOG_GAP"], "no window is configured");
});

test("R25 an archive that is older than the objective allows is behind", () => {
  assert.deepEqual(codes({ window: { earliest: at(0), latest: at(10 * DAY - 400) } }), ["LOG_BEHIND"]);
  assert.deepEqual(codes({ segments: 0, window: { earliest: at(9 * DAY), latest: at(9 * DAY) } }), ["LOG_BEHIND"]);
});

test("R25 a window shorter than configured is an alarm only once the archive is old enough", () => {
  const window = { earliest: at(5 * DAY), latest: at(10 * DAY - 60) };
  assert.deepEqual(codes({ window }), ["WINDOW_SHORT"]);
  assert.deepEqual(codes({ window, since: dateOfMicros(at(5 * DAY)) }), []);
  assert.deepEqual(codes({ window, windowMs: undefined }), []);
});

test("R25 without a base backup the log reaches nothing", () => {
  assert.deepEqual(codes({ bases: 0, window: undefined }), ["NO_BASE"]);
});

test("R25 an unread replication slot is named with the bytes that the server retains for it", () => {
  const slot = { name: "lifeboat_shop", exists: true, active: false, keptBytes: 5_000_000_000, state: "extended" };
  const [reason] = logReasons({ ...sound, slot });
  assert.equal(reason?.code, "SLOT_INACTIVE");
  assert.match(reason?.message ?? "", /lifeboat_shop.*5\.0 GB/);
  assert.deepEqual(codes({ slot: { ...slot, active: true } }), []);
  assert.deepEqual(codes({ slot: { ...slot, exists: false } }), [], "the archive may be fed by archive_command");
  assert.deepEqual(codes({ slot: { ...slot, state: "lost" } }), ["SLOT_LOST"]);
});

test("R25 the next step of a gap begins a new window, also where no base backup is due", () => {
  const nextOf = (change: Partial<LogHealthFacts>) => [...logReasons({ ...sound, ...change })].map(({ next }) => next);
  const missing = { flaws: [flaw("missing", 5, 6)] };
  assert.deepEqual(nextOf(missing), ["run `lifeboat backup SOURCE --kind base`, which begins a new recovery window"]);
  assert.deepEqual(nextOf({ ...missing, baseMadeBy: "lifeboat backup SOURCE" }), [
    "run `lifeboat backup SOURCE`, which begins a new recovery window",
  ]);
  assert.match(
    nextOf({ flaws: [flaw("damaged", 5, 6)] })[0] ?? "",
    /put the segment back from a copy, or run `lifeboat backup SOURCE --kind base`/,
  );
  assert.deepEqual(nextOf({ bases: 0 }), ["run `lifeboat backup SOURCE --kind base`"]);
});

test("R25 a tablespace that the newest base backup lacks asks for a new one before a recovery", () => {
  const [found] = logReasons({ ...sound, newTablespaces: ["fast"] });
  assert.equal(found?.code, "BASE_OUTDATED");
  assert.match(found?.message ?? "", /tablespace fast was created after the newest base backup/);
  // It was dropped again: only the log tells of it.
  const [gone] = logReasons({ ...sound, tablespaceAt: "0/5000028" });
  assert.equal(gone?.code, "BASE_OUTDATED");
  assert.match(gone?.message ?? "", /a tablespace was created at 0\/5000028, after the newest base backup: no instant after that/);
});
