// The window over segments of any length that are named by their first position, as in MongoDB's oplog.
import assert from "node:assert/strict";
import { test } from "node:test";
import { at, digestOf } from "../../test/support/log.ts";
import type { LogSegment } from "./log.ts";
import { dumpKeepReasons, expireLog } from "./log-retention.ts";
import { type LogBase, viewLog } from "./log-window.ts";
import { dateOfMicros } from "./micros.ts";

const position = (second: number): string => `${(0x6920_0000 + second).toString(16).toUpperCase()}/1`;
const nameOf = (second: number): string => `00000001${(0x6920_0000 + second).toString(16).toUpperCase()}00000001`;

/** A segment from one second to another, linked to the one that ends where it begins. */
function segment(from: number, to: number, after?: number): LogSegment {
  const mark = { lsn: position(to - 1), previousEnd: position(to - 1), at: at(to - 0.5) };
  return {
    format: 1,
    source: "shop",
    name: nameOf(from),
    timeline: 1,
    startLsn: position(from),
    nextLsn: position(to),
    systemIdentifier: "set",
    free: true,
    records: 10,
    endLsn: position(to),
    partial: false,
    firstCommit: { ...mark, at: at(from) },
    lastCommit: mark,
    maxCommitAt: at(to - 0.5),
    archivedAt: "2026-11-21T00:00:00.000Z",
    plain: { sizeBytes: 1000, sha256: digestOf(nameOf(from)) },
    stored: { sizeBytes: 500, sha256: digestOf(`s${nameOf(from)}`) },
    previous: after === undefined ? undefined : { name: nameOf(after), sha256: digestOf(nameOf(after)) },
  };
}

const dump = (id: string, second: number): LogBase => ({
  id,
  facts: { systemIdentifier: "set", timeline: 1, startLsn: position(second), endLsn: position(second), endedAt: at(second) },
});

const picture = (...segments: LogSegment[]) => ({ segments, histories: new Map(), damage: new Map() });
const chain = [segment(0, 10), segment(10, 35, 0), segment(35, 40, 10), segment(40, 90, 35)];

test("R28 segments of any size make one window, from the oldest dump within them to the last entry", () => {
  const view = viewLog([dump("a", 12), dump("b", 40)], picture(...chain));
  assert.deepEqual(view.window, { earliest: at(12), latest: at(89.5) });
  assert.deepEqual(view.flaws, []);
  assert.deepEqual(
    view.windows[0]?.chain.map(({ name }) => name),
    chain.slice(1).map(({ name }) => name),
  );
});

test("R28 a missing segment ends the window there, and the positions between are named", () => {
  const [first, , third, fourth] = chain;
  assert.ok(first && third && fourth);
  const view = viewLog([dump("a", 2), dump("b", 40)], picture(first, third, fourth));
  assert.deepEqual(view.window, { earliest: at(40), latest: at(89.5) });
  assert.equal(view.flaws.length, 1);
  assert.equal(
    view.flaws[0]?.message,
    `the log from position ${position(10)} to ${position(35)} is missing: nothing between ${at(9.5)} and ${at(40)} can be reached`,
  );
});

test("R28 a dump that was made before any log was archived reaches one instant, which is not a flaw", () => {
  const view = viewLog([dump("old", -50), dump("a", 12)], picture(...chain));
  assert.deepEqual(view.flaws, []);
  assert.deepEqual(view.window, { earliest: at(12), latest: at(89.5) });
});

test("R28 the window keeps only the dump that reaches its beginning, and the log from there on", () => {
  const bases = [dump("a", 2), dump("b", 12), dump("c", 40)];
  const { windows } = viewLog(bases, picture(...chain));
  const now = dateOfMicros(at(80));
  const keepReasons = dumpKeepReasons(windows, 60_000, now);
  assert.deepEqual([...keepReasons.keys()], ["b"]);
  assert.deepEqual(keepReasons.get("b")?.until, dateOfMicros(at(100)));
  const plan = expireLog({ segments: chain, bases, leading: new Set(keepReasons.keys()), blocked: [] });
  assert.deepEqual(
    plan.remove.map(({ name }) => name),
    [nameOf(0)],
  );
  assert.deepEqual([...dumpKeepReasons(windows, 3_600_000, now).keys()], ["a"]);
});
