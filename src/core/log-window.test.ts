import assert from "node:assert/strict";
import { test } from "node:test";
import { at, baseOf, lsn, nameOf, segmentOf } from "../../test/support/log.ts";
import type { LogSegment } from "./log.ts";
import type { SegmentDamage } from "./log-chain.ts";
import { stemOf } from "./log-chain.ts";
import { type LogBase, viewLog } from "./log-window.ts";
import type { TimelineHistory } from "./lsn.ts";

function view(
  bases: readonly LogBase[],
  segments: readonly LogSegment[],
  rest: { histories?: Map<number, TimelineHistory>; damage?: Map<string, SegmentDamage> } = {},
) {
  return viewLog(bases, { segments, histories: rest.histories ?? new Map(), damage: rest.damage ?? new Map() });
}

/** Segments 1 to 6; in each one commit, ten seconds apart: segment 1 at 10 s, segment 6 at 60 s. */
const six = (): LogSegment[] => [1, 2, 3, 4, 5, 6].map((number) => segmentOf(number, [[0.5, number * 10]]));
const base = () => baseOf("b1", 1.2, 1.6, 11);

test("R25 the window extends from the end of the oldest usable base backup to the last proven commit", () => {
  const { window, flaws, windows } = view([base(), baseOf("b2", 4.1, 4.2, 41)], six());
  assert.deepEqual(window, { earliest: at(11), latest: at(60) });
  assert.deepEqual(flaws, []);
  assert.deepEqual(
    windows.map(({ bases, chain }) => [bases.map(({ id }) => id), chain.length]),
    [[["b1", "b2"], 6]],
  );
});

test("R25 without a base backup there is no window, even with log", () => {
  assert.equal(view([], six()).window, undefined);
});

test("R25 the latest commit time counts, not the last one in the log: they are not monotonic", () => {
  const segments = [
    segmentOf(1, [[0.3, 10]]),
    segmentOf(2, [
      [0.1, 30],
      [0.2, 25],
    ]),
  ];
  assert.equal(view([base()], segments).window?.latest, at(30));
});

test("R25 a missing segment splits the log; it is named with the time that cannot be reached", () => {
  const segments = six().filter(({ name }) => name !== nameOf(3));
  const { window, windows, flaws } = view([base(), baseOf("b2", 4.6, 5.1, 51)], segments);
  assert.deepEqual(window, { earliest: at(51), latest: at(60) });
  assert.deepEqual(
    windows.map(({ earliest, latest }) => [earliest, latest]),
    [
      [at(51), at(60)],
      [at(11), at(20)],
    ],
  );
  assert.equal(flaws.length, 1);
  assert.deepEqual({ ...flaws[0], message: "" }, { kind: "missing", segment: nameOf(3), from: at(20), to: at(51), message: "" });
  assert.match(flaws[0]?.message ?? "", /segment 0+10+3 is missing: nothing between .*20\.000000Z and .*51\.000000Z can be reached/);
});

test("R25 with a missing segment and no base backup after it, nothing after it can be reached", () => {
  const { window, flaws } = view(
    [base()],
    six().filter(({ name }) => name !== nameOf(3) && name !== nameOf(4)),
  );
  assert.equal(window?.latest, at(20));
  assert.deepEqual([flaws[0]?.segment, flaws[0]?.from, flaws[0]?.to], [`${nameOf(3)} to ${nameOf(4)}`, at(20), undefined]);
});

test("R25 a damaged segment counts as a gap and is named as damaged", () => {
  const damage = new Map<string, SegmentDamage>([[nameOf(4), { kind: "damaged", says: "was found damaged on Sunday" }]]);
  const { window, flaws } = view([base()], six(), { damage });
  assert.equal(window?.latest, at(30));
  assert.deepEqual(
    flaws.map(({ kind, segment }) => [kind, segment]),
    [["damaged", nameOf(4)]],
  );
});

test("R25 damage at the very end of the log is named too", () => {
  const damage = new Map<string, SegmentDamage>([[nameOf(6), { kind: "missing", says: "is missing: its bytes are not stored" }]]);
  const { window, flaws } = view([base()], six(), { damage });
  assert.equal(window?.latest, at(50));
  assert.deepEqual(
    flaws.map(({ kind, segment, from, to }) => [kind, segment, from, to]),
    [["missing", nameOf(6), at(50), undefined]],
  );
});

test("R25 a segment whose records do not continue exactly the stored bytes begins a new window", () => {
  const segments = six();
  segments[3] = { ...segmentOf(4, [[0.5, 40]]), previous: { name: nameOf(3), sha256: "0".repeat(64) } };
  const { window, flaws } = view([base()], segments);
  assert.equal(window?.latest, at(30));
  assert.deepEqual(
    flaws.map(({ kind, segment }) => [kind, segment]),
    [["unlinked", nameOf(4)]],
  );
});

test("R25 a partial segment extends the window as far as it is filled, and the whole one supersedes it", () => {
  const partial = segmentOf(7, [[0.2, 70]], { partial: true, endLsn: lsn(7.3) });
  assert.equal(view([base()], [...six(), partial]).window?.latest, at(70));
  const further = segmentOf(7, [[0.2, 72]], { partial: true, endLsn: lsn(7.4) });
  assert.notEqual(stemOf(partial), stemOf(further));
  assert.equal(view([base()], [further, ...six(), partial]).window?.latest, at(72));
  const whole = segmentOf(7, [
    [0.2, 70],
    [0.9, 79],
  ]);
  assert.equal(view([base()], [...six(), partial, whole]).window?.latest, at(79));
});

test("R25 log after a segment of which only a part is stored is not reached", () => {
  const segments = [...six(), segmentOf(7, [[0.2, 70]], { partial: true, endLsn: lsn(7.3) }), segmentOf(8, [[0.5, 80]])];
  const { window, flaws } = view([base()], segments);
  assert.equal(window?.latest, at(70));
  assert.deepEqual(
    flaws.map(({ kind, segment }) => [kind, segment]),
    [["missing", nameOf(7)]],
  );
  assert.match(flaws[0]?.message ?? "", /only the part before/);
});

test("R25 a timeline switch is followed through its history file", () => {
  const switched = [
    segmentOf(
      7,
      [
        [0.2, 65],
        [0.9, 70],
      ],
      { timeline: 2, after: nameOf(6) },
    ),
    segmentOf(8, [[0.5, 80]], { timeline: 2 }),
  ];
  const old = segmentOf(
    7,
    [
      [0.2, 65],
      [0.5, 68],
    ],
    { partial: true, endLsn: lsn(7.6) },
  );
  const histories = new Map([[2, [{ timeline: 1, switchedAt: lsn(7.4) }]]]);
  const { window, windows, flaws } = view([base()], [...six(), old, ...switched], { histories });
  assert.deepEqual(window, { earliest: at(11), latest: at(80) });
  assert.deepEqual(
    windows.map(({ timeline, latest }) => [timeline, latest]),
    [
      [2, at(80)],
      [1, at(68)],
    ],
  );
  assert.deepEqual(flaws, []);
});

test("R25 without its history file a new timeline is not part of the window, and the file is named", () => {
  const switched = [segmentOf(7, [[0.9, 70]], { timeline: 2, after: nameOf(6) }), segmentOf(8, [[0.5, 80]], { timeline: 2 })];
  const { window, flaws } = view([base()], [...six(), ...switched]);
  assert.equal(window?.latest, at(60));
  assert.deepEqual(
    flaws.map(({ segment, from }) => [segment, from]),
    [["00000002.history", at(60)]],
  );
});

test("R25 a base backup taken on the old timeline after the switch does not lead to the new one", () => {
  const switched = [segmentOf(5, [[0.9, 55]], { timeline: 2, after: nameOf(4) }), segmentOf(6, [[0.5, 65]], { timeline: 2 })];
  const histories = new Map([[2, [{ timeline: 1, switchedAt: lsn(5.1) }]]]);
  const { windows } = view([baseOf("old", 5.2, 5.9, 58)], [...six(), ...switched], { histories });
  assert.deepEqual(
    windows.map(({ timeline, chain }) => [timeline, chain.length]),
    [[1, 2]],
  );
});

test("R25 log of another database cluster is never part of the window, and is named", () => {
  const foreign = [7, 8].map((number) => segmentOf(number, [[0.5, number * 10]], { systemIdentifier: "99" }));
  const { window, flaws } = view([base()], [...six(), ...foreign]);
  assert.equal(window?.latest, at(60));
  assert.deepEqual(
    flaws.map(({ kind, segment }) => [kind, segment]),
    [["other-system", nameOf(7)]],
  );
});

test("R25 a base backup whose own log is not archived reaches one instant", () => {
  const { window, windows, flaws } = view([baseOf("b", 8.1, 8.2, 85)], []);
  assert.deepEqual(window, { earliest: at(85), latest: at(85) });
  assert.deepEqual(windows[0]?.chain, []);
  assert.deepEqual(flaws, [], "there is no archive, so nothing is missing from it");
});

test("R25 a base backup newer than the archive is not missing anything yet", () => {
  const { window, windows, flaws } = view([base(), baseOf("b2", 6.5, 7.2, 75)], six());
  assert.deepEqual(window, { earliest: at(11), latest: at(60) });
  assert.deepEqual([windows[0]?.earliest, windows[0]?.latest], [at(75), at(75)], "it can be restored nevertheless");
  assert.deepEqual(flaws, []);
});

test("R25 an archive that began during a base backup says that the base reaches one instant", () => {
  const { window, windows, flaws } = view([baseOf("b", 2.9, 3.5, 36)], six().slice(2));
  assert.deepEqual(window, { earliest: at(36), latest: at(36) });
  assert.equal(windows.length, 1);
  assert.match(flaws[0]?.message ?? "", /reaches one instant/);
});

test("R25 the order in which segments arrived or are listed makes no difference", () => {
  assert.deepEqual(view([base()], six().reverse()), view([base()], six()));
});
