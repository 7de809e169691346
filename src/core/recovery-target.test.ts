import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "./errors.ts";
import { inWords, parseRecoveryTarget, understood } from "./recovery-target.ts";

const BERLIN = { now: new Date("2026-11-29T10:00:00.000Z"), timeZone: "Europe/Berlin" };
const read = (text: string, present = BERLIN) => parseRecoveryTarget(text, present);

function refusal(text: string, present = BERLIN): { readonly message: string; readonly hint: string } {
  try {
    const found = parseRecoveryTarget(text, present);
    return assert.fail(`${text} was understood as ${JSON.stringify(found)}`);
  } catch (error) {
    if (!isLifeboatError(error, "USAGE")) throw error;
    return error;
  }
}

const TIMES: Readonly<Record<string, string>> = {
  "2026-11-28T14:25:00Z": "2026-11-28T14:25:00.000000Z",
  "2026-11-28T14:25:00.123456Z": "2026-11-28T14:25:00.123456Z",
  "2026-11-28T14:25:00.1234567891Z": "2026-11-28T14:25:00.123456Z",
  "2026-11-28 14:25:00.25+00": "2026-11-28T14:25:00.250000Z",
  "2026-11-28T14:25:00+02:00": "2026-11-28T12:25:00.000000Z",
  "2026-11-28T14:25:00-0530": "2026-11-28T19:55:00.000000Z",
  "2026-11-28 14:25": "2026-11-28T13:25:00.000000Z",
  "2026-11-28 14:25:05": "2026-11-28T13:25:05.000000Z",
  "2026-11-28": "2026-11-27T23:00:00.000000Z",
  "10:25": "2026-11-29T09:25:00.000000Z",
  "9:25Z": "2026-11-29T09:25:00.000000Z",
  "today 10:25:30": "2026-11-29T09:25:30.000000Z",
  "yesterday 14:25": "2026-11-28T13:25:00.000000Z",
  "  Yesterday   at 14:25 ": "2026-11-28T13:25:00.000000Z",
  "5m": "2026-11-29T09:55:00.000000Z",
  "-5m": "2026-11-29T09:55:00.000000Z",
  "1h30m": "2026-11-29T08:30:00.000000Z",
  "5 minutes ago": "2026-11-29T09:55:00.000000Z",
  "an hour ago": "2026-11-29T09:00:00.000000Z",
  "1 hour and 30 minutes ago": "2026-11-29T08:30:00.000000Z",
  "7d ago": "2026-11-22T10:00:00.000000Z",
  "10m before 10:30": "2026-11-29T09:20:00.000000Z",
  "10 minutes before yesterday 14:30": "2026-11-28T13:20:00.000000Z",
  "2s before 2026-11-28T14:25:00.123456Z": "2026-11-28T14:24:58.123456Z",
  "2026-07-01 14:25": "2026-07-01T12:25:00.000000Z",
};

test("R25 a recovery target is parsed from common forms of a time", () => {
  for (const [text, at] of Object.entries(TIMES)) assert.deepEqual(read(text), { kind: "time", at }, text);
});

test("R25 a recovery target is also latest, a log position, or a restore point", () => {
  assert.deepEqual(read("latest"), { kind: "latest" });
  assert.deepEqual(read("now"), { kind: "latest" }, "what was committed last");
  assert.deepEqual(read("0/16b3740"), { kind: "lsn", lsn: "0/16B3740" });
  assert.deepEqual(read("692AA1F3/1"), { kind: "lsn", lsn: "692AA1F3/1" });
  for (const name of ["backup-2026-11-28", "1m3kq7", "weekly", "2026-11-28-nightly", "before migration"])
    assert.deepEqual(read(name), { kind: "point", name });
});

test("R25 a time that does not exist or is in the future is refused", () => {
  for (const text of ["2026-02-30", "2026-02-30 14:25", "2026-11-28T24:00:00Z", "2026-11-28 14:60", "25:00", "2026-13-01T00:00:00Z"])
    assert.match(refusal(text).message, /not a valid time/, text);
  for (const text of ["2026-11-29T10:00:01Z", "11:01", "2027-01-01", "today 23:59", "2026-11-29T12:00:00+01:00"])
    assert.match(refusal(text).message, /in the future/, text);
  assert.match(refusal("14:25").message, /did you mean "yesterday 14:25"\?/);
});

test("R25 an invalid target is refused with the list of accepted forms", () => {
  for (const text of ["", "5 mnutes ago", "28.11.2026 14:25", "yesterday", "tomorrow 14:25", "-5x", "+5m", "10m before lunch"]) {
    const { message, hint } = refusal(text);
    assert.match(
      `${message} ${hint}`,
      text === "-5x" ? /not a duration/ : /`latest`.*5 minutes ago.*10m before 14:30.*0\/16B3740.*restore point/,
      text,
    );
  }
});

test("R25 a local time that a clock change skips or repeats is refused with both instants", () => {
  const later = { ...BERLIN, now: new Date("2026-12-01T00:00:00Z") };
  assert.match(refusal("2026-03-29 02:30", later).message, /2026-03-29 02:30:00 does not exist in Europe\/Berlin/);
  const twice = refusal("2026-10-25 02:30", later);
  assert.match(twice.message, /happened twice in Europe\/Berlin/);
  assert.match(twice.hint, /2026-10-25T00:30:00Z or 2026-10-25T01:30:00Z/);
  assert.deepEqual(read("2026-10-25T02:30:00+01:00", later), { kind: "time", at: "2026-10-25T01:30:00.000000Z" });
  const lordHowe = { now: later.now, timeZone: "Australia/Lord_Howe" };
  assert.match(refusal("2026-10-04 02:15", lordHowe).message, /does not exist/, "a change of half an hour");
});

test("R25 an instant is shown in UTC, in local time and as a time ago", () => {
  const told = understood("2026-11-28T14:25:00.250000Z", BERLIN);
  assert.deepEqual(told, {
    at: "2026-11-28T14:25:00.250000Z",
    local: "2026-11-28T15:25:00.250000+01:00",
    timeZone: "Europe/Berlin",
    secondsAgo: 70_500,
  });
  assert.equal(inWords(told), "2026-11-28T14:25:00.25Z (2026-11-28 15:25:00 in Europe/Berlin, 19h 35m ago)");
  assert.match(inWords(understood("2026-11-29T09:59:59.600000Z", BERLIN)), /, now\)$/);
  assert.match(inWords(understood("2026-11-29T09:59:20.000000Z", BERLIN)), /, 40s ago\)$/);
});
