import assert from "node:assert/strict";
import { test } from "node:test";
import { type RowFound, type Sighting, stateBefore, timeLine } from "./row-history.ts";
import { shellWord } from "./shell.ts";

const at = (second: number): string => `2026-11-01T00:00:${String(second).padStart(2, "0")}.000000Z`;
const found = (n: number | undefined): RowFound => (n === undefined ? {} : { row: { id: "1", n: String(n) } });
const backup = (second: number, n: number | undefined): Sighting => ({ at: at(second), kind: "backup", by: `b${second}`, found: found(n) });
const change = { position: "0/1", id: "transaction 7" };
const log = (second: number, n: number | undefined, changed = true): Sighting => ({
  ...{ at: at(second), kind: "log", by: "log", found: found(n) },
  ...(changed && { change }),
});
const unknown = (second: number): Sighting => ({ at: at(second), kind: "backup", by: "b", code: "INTEGRITY", reason: "damaged" });
const told = (sightings: readonly Sighting[]) =>
  timeLine(sightings).map(({ from, until, seen, found: state, change: made, changed, code }) =>
    [from.slice(17, 19), until.slice(17, 19), seen, code ?? state?.row?.n ?? "-", made?.operation ?? "", changed.join()].join(" "),
  );

test("R42 equal states that follow each other are one, in the order of time", () => {
  assert.deepEqual(told([backup(4, 2), backup(1, 1), backup(2, 1), backup(3, 2), backup(5, undefined)]), [
    "01 02 2 1  ",
    "03 04 2 2  n",
    "05 05 1 -  ",
  ]);
});

test("R42 a change in the log names its operation, and points between confirm its states", () => {
  assert.deepEqual(
    told([log(1, undefined, false), log(10, 1), backup(12, 1), log(20, 2), backup(25, 2), log(30, undefined), log(40, undefined, false)]),
    ["01 01 1 -  ", "10 12 2 1 insert ", "20 25 2 2 update n", "30 40 2 - delete "],
  );
});

test("R42 a state that is not known has an entry of its own, and is never folded into others", () => {
  assert.deepEqual(told([backup(1, 1), unknown(2), unknown(3), backup(4, 1)]), ["01 01 1 1  ", "02 03 2 INTEGRITY  ", "04 04 1 1  "]);
});

test("R42 the stamp of a snapshot is only near: its state is that of the log beside it", () => {
  assert.deepEqual(told([log(1, 1, false), backup(11, 1), log(10, 2), log(30, 2, false)]), ["01 01 2 1  ", "10 30 2 2 update n"]);
  const several = [log(1, 1, false), backup(9, 3), log(10, 2), log(11, 3), log(30, 3, false)];
  assert.deepEqual(told(several), ["01 01 1 1  ", "10 10 1 2 update n", "11 30 3 3 update n"]);
});

test("R42 the state to bring back is the newest one that differs from the last", () => {
  const states = timeLine([backup(1, 1), backup(2, 2), backup(3, 3), backup(4, undefined), unknown(5)]);
  assert.equal(stateBefore(states)?.found?.row?.n, "3");
  assert.equal(stateBefore(timeLine([backup(1, 1), backup(2, 1)])), undefined);
});

test("R42 words of a printed command stay words in a shell, and run nothing", () => {
  assert.deepEqual(["id", "id = 4711", "a'b$(x)", 'say "no"', "`x`"].map(shellWord), [
    "id",
    '"id = 4711"',
    "'a'\\''b$(x)'",
    "'say \"no\"'",
    "'`x`'",
  ]);
});
