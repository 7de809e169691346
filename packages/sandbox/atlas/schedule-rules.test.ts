import assert from "node:assert/strict";
import { test } from "node:test";
import { AtlasApiError } from "./errors.ts";
import { checkSchedule, defaultItems, expiryOf, type PolicyItem, readItems } from "./schedule-rules.ts";

let count = 0;
const mint = (): string => String(++count).padStart(24, "0");
const raw = (frequencyType: string, frequencyInterval: number, retentionValue: number, retentionUnit = "days"): object => ({
  frequencyType,
  frequencyInterval,
  retentionUnit,
  retentionValue,
});
const refusal = (code: string): ((error: unknown) => boolean) => {
  return (error) => error instanceof AtlasApiError && error.status === 400 && error.errorCode === code;
};

test("R54 the policy that a cluster begins with is valid, with a window of seven days", () => {
  checkSchedule(defaultItems(mint), 7, true);
  assert.throws(() => checkSchedule(defaultItems(mint), 8, true), refusal("INVALID_RESTORE_WINDOW"));
  checkSchedule(defaultItems(mint), 8, false);
});

test("R54 the ids of items that have one are kept, the others are minted", () => {
  const [kept, minted] = readItems([{ ...raw("daily", 1, 30), id: "a".repeat(24) }, raw("weekly", 1, 12, "weeks")], mint);
  assert.equal(kept?.id, "a".repeat(24));
  assert.match(minted?.id ?? "", /^0+\d+$/);
});

test("R54 what is rarer must be kept at least as long", () => {
  const items = (daily: number, weekly: number): PolicyItem[] =>
    readItems([raw("daily", 1, daily), raw("weekly", 6, weekly, "weeks")], mint);
  checkSchedule(items(28, 4), 2, true);
  assert.throws(() => checkSchedule(items(30, 4), 2, true), refusal("INVALID_BACKUP_POLICY"));
});

test("R54 intervals, units and values that the API does not know are refused", () => {
  for (const bad of [raw("hourly", 3, 7), raw("weekly", 8, 7), raw("monthly", 29, 7), raw("yearly", 13, 7), raw("daily", 2, 7)])
    assert.throws(() => readItems([bad], mint), refusal("INVALID_ATTRIBUTE"));
  assert.throws(() => readItems([raw("daily", 1, 7, "DAYS")], mint), refusal("INVALID_ATTRIBUTE"));
  assert.throws(() => readItems([raw("daily", 1, 0)], mint), refusal("INVALID_ATTRIBUTE"));
  assert.throws(() => readItems([{ frequencyType: "daily" }], mint), refusal("MISSING_ATTRIBUTE"));
  assert.throws(() => readItems([raw("hourly", 1, 7), raw("hourly", 6, 7)], mint), refusal("INVALID_BACKUP_POLICY"));
});

test("R54 months and years of retention follow the calendar", () => {
  const expiry = (retentionUnit: PolicyItem["retentionUnit"], retentionValue: number, from: string): string =>
    expiryOf({ retentionUnit, retentionValue }, new Date(from)).toISOString();
  assert.equal(expiry("months", 1, "2027-01-31T12:00:00Z"), "2027-02-28T12:00:00.000Z");
  assert.equal(expiry("years", 1, "2028-02-29T00:00:00Z"), "2029-02-28T00:00:00.000Z");
  assert.equal(expiry("weeks", 2, "2026-11-21T00:00:00Z"), "2026-12-05T00:00:00.000Z");
});
