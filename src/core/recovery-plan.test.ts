import assert from "node:assert/strict";
import { test } from "node:test";
import { at, baseOf, commitAt, lsn, nameOf, segmentOf } from "../../test/support/log.ts";
import { isLifeboatError } from "./errors.ts";
import { viewLog } from "./log-window.ts";
import { locate, planFrom } from "./recovery-plan.ts";

const segments = [1, 2, 3, 4, 5, 6].map((number) => segmentOf(number, [[0.5, number * 10]]));
const bases = [baseOf("b1", 1.2, 1.6, 11), baseOf("b2", 4.1, 4.2, 41)];
const { windows } = viewLog(bases, { segments, histories: new Map(), damage: new Map() });

const refusal = (run: () => unknown): { code: string; message: string } => {
  try {
    run();
  } catch (error) {
    if (isLifeboatError(error)) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error("it was not refused");
};

test("R25 for an instant, the first segment with a later commit is walked, from the newest base before it", () => {
  const located = locate("shop", windows, { kind: "time", at: at(45) });
  assert.deepEqual(
    located.candidates.map(({ segment, before }) => [segment.name, before?.name]),
    [
      [nameOf(5), nameOf(4)],
      [nameOf(6), nameOf(5)],
    ],
  );
  const plan = planFrom(located, commitAt(5.5, 50));
  assert.deepEqual([plan.base.id, plan.chain.map(({ name }) => name)], ["b2", [nameOf(4), nameOf(5)]]);
  assert.deepEqual([plan.stopBefore, plan.expectedEnd, plan.timeline], [lsn(5.5), lsn(5.5), 1]);
});

test("R25 a record that continues in the next segment requires that segment too", () => {
  const located = locate("shop", windows, { kind: "lsn", lsn: lsn(4.9) });
  const plan = planFrom(located, { lsn: lsn(4.95), previousEnd: lsn(4.9) }, segments[4]);
  assert.deepEqual(
    plan.chain.map(({ name }) => name),
    [nameOf(4), nameOf(5)],
  );
});

test("R25 an instant before the second base ended is reached from the first", () => {
  const plan = planFrom(locate("shop", windows, { kind: "time", at: at(35) }), commitAt(4.05, 40));
  assert.deepEqual([plan.base.id, plan.chain.map(({ name }) => name)], ["b1", [1, 2, 3, 4].map((number) => nameOf(number))]);
});

test("R25 both ends of the window can be reached; a microsecond outside is refused with both ends", () => {
  const { candidates } = locate("shop", windows, { kind: "time", at: at(11) });
  assert.equal(candidates[0]?.segment.name, nameOf(2));
  const last = planFrom(locate("shop", windows, { kind: "time", at: at(60) }), undefined);
  assert.deepEqual([last.stopBefore, last.expectedEnd], [undefined, lsn(7)]);
  for (const seconds of [10.999999, 60.000001]) {
    const { code, message } = refusal(() => locate("shop", windows, { kind: "time", at: at(seconds) }));
    assert.equal(code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
    assert.equal(message, `shop can be restored from ${at(11)} to ${at(60)}, not to ${at(seconds)}`);
  }
});

test("R25 a position is reached by stopping before the first record that begins there or later", () => {
  const located = locate("shop", windows, { kind: "lsn", lsn: lsn(5.25) });
  assert.equal(located.candidates[0]?.segment.name, nameOf(5));
  const plan = planFrom(located, { lsn: lsn(5.3), previousEnd: lsn(5.28) });
  assert.deepEqual([plan.base.id, plan.stopBefore, plan.expectedEnd], ["b2", lsn(5.3), lsn(5.28)]);
  const { message } = refusal(() => locate("shop", windows, { kind: "lsn", lsn: lsn(1.5) }));
  assert.match(message, new RegExp(`from ${lsn(1.6)} to ${lsn(7)}, not to ${lsn(1.5)}`));
});

test("R25 an instant within a gap is refused with the name of the gap", () => {
  const interrupted = viewLog([...bases.slice(0, 1), baseOf("b3", 5.1, 5.2, 51)], {
    segments: segments.filter(({ name }) => name !== nameOf(3)),
    histories: new Map(),
    damage: new Map(),
  });
  const { code, message } = refusal(() => locate("shop", interrupted.windows, { kind: "time", at: at(30) }, interrupted.flaws));
  assert.equal(code, "RECOVERY_TARGET_OUTSIDE_WINDOW");
  assert.match(
    message,
    /from .*11\.000000Z to .*20\.000000Z, and from .*51\.000000Z to .*01:00\.000000Z, not to .*30\.000000Z: log segment 0+10+3 is missing/,
  );
});

test("R25 a base without archived log is replayed to its own end and not further", () => {
  const alone = viewLog([baseOf("b", 3.1, 3.2, 31)], { segments: [], histories: new Map(), damage: new Map() });
  const plan = planFrom(locate("shop", alone.windows, { kind: "latest" }), undefined);
  assert.deepEqual([plan.base.id, plan.chain, plan.stopBefore, plan.expectedEnd], ["b", [], lsn(3.2), lsn(3.2)]);
});

test("R25 without a base backup the target is refused with the command to run", () => {
  assert.equal(refusal(() => locate("shop", [], { kind: "latest" })).code, "NO_RESTORE_POINT");
});
