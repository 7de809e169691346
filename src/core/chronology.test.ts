import assert from "node:assert/strict";
import { test } from "node:test";
import { chronologyOf, timeOfDay, tookInWords } from "./chronology.ts";

const PRESENT = { now: new Date("2026-11-28T15:00:00Z"), timeZone: "Europe/Berlin" };
const at = (second: number): string => `2026-11-28T14:31:0${second}.000Z`;

test("R41 a chronology tells what jobs were asked, decided and did, in order, in UTC and local time", () => {
  const shop = {
    ...{ id: "a", source: "shop", asked: "lifeboat recover --to 14:25", startedAt: at(1) },
    steps: [{ name: "load", startedAt: at(3), ms: 2_100 }],
    decisions: [{ at: at(3), what: "route: backup b1", why: "nothing reaches further" }],
    end: { at: at(6), what: "done" },
  };
  const sessions = {
    ...{ id: "b", source: "sessions", asked: "lifeboat recover --to 14:25", startedAt: at(2) },
    steps: [{ name: "fetch", startedAt: at(4) }],
  };
  const events = chronologyOf([shop, sessions], PRESENT);
  assert.deepEqual(
    events.map(({ job, kind, at: when, what, why }) => [job, kind, when, what, why]),
    [
      ["a", "asked", at(1), "lifeboat recover --to 14:25", null],
      ["b", "asked", at(2), "lifeboat recover --to 14:25", null],
      ["a", "decided", at(3), "route: backup b1", "nothing reaches further"],
      ["a", "step", at(3), "load", null],
      ["b", "step", at(4), "fetch", null],
      ["a", "ended", at(6), "done", null],
    ],
  );
  assert.deepEqual(
    events.map((event) => [timeOfDay(event.local), tookInWords(event)]),
    [
      ["15:31:01", undefined],
      ["15:31:02", undefined],
      ["15:31:03", undefined],
      ["15:31:03", "2.1 s"],
      ["15:31:04", "not ended"],
      ["15:31:06", undefined],
    ],
  );
});
