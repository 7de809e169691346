import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { inTimeZone, nextSlot, previousSlot, slotsBetween, validateCron } from "./cron.ts";
import { isLifeboatError } from "./errors.ts";

const at = (text: string): Date => new Date(text);
const iso = (slots: readonly (Date | undefined)[]): (string | undefined)[] => slots.map((slot) => slot?.toISOString().slice(0, 16));

test("the first Sunday of each month is found", () => {
  const slots = slotsBetween("0 6 * * 0#1", at("2026-01-01T00:00:00Z"), at("2026-06-30T00:00:00Z"));
  assert.deepEqual(iso(slots), [
    "2026-01-04T06:00",
    "2026-02-01T06:00",
    "2026-03-01T06:00",
    "2026-04-05T06:00",
    "2026-05-03T06:00",
    "2026-06-07T06:00",
  ]);
});

test("a slot at the instant itself is the previous slot and not the next one", () => {
  const slot = at("2026-11-21T02:00:00Z");
  assert.deepEqual(previousSlot("0 2 * * *", slot), slot);
  assert.deepEqual(previousSlot("0 2 * * *", at("2026-11-21T01:59:59.999Z")), at("2026-11-20T02:00:00Z"));
  assert.deepEqual(previousSlot("0 2 * * *", at("2026-11-21T02:00:00.999Z")), slot);
  assert.deepEqual(nextSlot("0 2 * * *", slot), at("2026-11-22T02:00:00Z"));
  assert.deepEqual(nextSlot("0 2 * * *", at("2026-11-21T01:59:59.999Z")), slot);
});

test("slots on 29 February, at month ends and at year ends are right", () => {
  assert.deepEqual(iso([nextSlot("0 0 29 2 *", at("2025-01-01T00:00:00Z")), nextSlot("0 0 29 2 *", at("2096-03-01T00:00:00Z"))]), [
    "2028-02-29T00:00",
    "2104-02-29T00:00",
  ]);
  assert.deepEqual(iso(slotsBetween("0 0 L * *", at("2028-01-15T00:00:00Z"), at("2028-04-15T00:00:00Z"))), [
    "2028-01-31T00:00",
    "2028-02-29T00:00",
    "2028-03-31T00:00",
  ]);
  assert.deepEqual(iso(slotsBetween("59 23 31 * *", at("2026-11-01T00:00:00Z"), at("2027-02-01T00:00:00Z"))), [
    "2026-12-31T23:59",
    "2027-01-31T23:59",
  ]);
});

test("an invalid schedule is refused with the reason", () => {
  for (const expr of [
    "",
    "* * * *",
    "0 2 * * * *",
    "0 25 * * *",
    "60 * * * *",
    "0 2 * foo *",
    "0 2 * * 0#6",
    "? 2 * * *",
    "2026-01-01T00:00:00",
    "@reboot",
    "@nonsense",
  ]) {
    assert.throws(
      () => validateCron(expr),
      (error) => isLifeboatError(error, "USAGE") && error.message.includes("is not a schedule") && error.hint.includes("UTC"),
      expr,
    );
  }
  for (const expr of ["0 0 30 2 *", "0 0 31 4,6,9,11 *"]) assert.throws(() => validateCron(expr), /no such day ever comes/);
  for (const expr of ["0 2 * * *", "0 2 * * sun", "*/15 * * * *", "0 6 * * 0#1", "@daily"]) assert.equal(validateCron(expr), expr);
});

const exprs = fc.constantFrom(
  "0 2 * * *",
  "0 2 * * 0",
  "0 2 1 * *",
  "0 6 * * 0#1",
  "*/15 * * * *",
  "30 1,13 * * 1-5",
  "0 0 L * *",
  "0 3 29 2 *",
);
const instants = fc.date({ min: at("1999-01-01T00:00:00Z"), max: at("2110-01-01T00:00:00Z"), noInvalidDate: true });

test("there is no slot between the previous and the next one", () => {
  fc.assert(
    fc.property(exprs, instants, (expr, instant) => {
      const previous = previousSlot(expr, instant);
      const next = nextSlot(expr, instant);
      assert.ok(previous !== undefined && next !== undefined && previous <= instant && instant < next);
      assert.deepEqual(slotsBetween(expr, previous, next), [next]);
      assert.deepEqual(nextSlot(expr, previous), next);
      assert.deepEqual(previousSlot(expr, new Date(next.getTime() - 1)), previous);
    }),
  );
});

test("consecutive windows share no slot and miss none", () => {
  const dayMs = 86_400_000;
  fc.assert(
    fc.property(exprs, instants, fc.nat(20 * dayMs), fc.nat(20 * dayMs), (expr, from, first, second) => {
      const middle = new Date(from.getTime() + first);
      const to = new Date(middle.getTime() + second);
      assert.deepEqual([...slotsBetween(expr, from, middle), ...slotsBetween(expr, middle, to)], slotsBetween(expr, from, to));
    }),
    { numRuns: 30 },
  );
});

test("slots do not depend on the machine's time zone", () => {
  const script = `
    import { slotsBetween, previousSlot } from ${JSON.stringify(new URL("./cron.ts", import.meta.url).href)};
    const slots = ["30 1,2,3 * * *", "0 2 * * 0"].flatMap((expr) => slotsBetween(expr, new Date("2026-03-01T00:00:00Z"), new Date("2026-11-30T00:00:00Z")));
    console.log(JSON.stringify([slots, slots.map((slot) => previousSlot("0 * * * *", slot)), new Date("2026-07-01T00:00:00Z").getTimezoneOffset()]));`;
  const inZone = (TZ: string) =>
    JSON.parse(execFileSync(process.execPath, ["--input-type=module", "-e", script], { env: { ...process.env, TZ }, encoding: "utf8" }));
  const [slots, hours] = inZone("UTC");
  assert.equal(slots.length, 274 * 3 + 40);
  for (const zone of ["America/New_York", "Australia/Lord_Howe"]) {
    const [slotsThere, hoursThere, offset] = inZone(zone);
    assert.notEqual(offset, 0, `${zone} must be known here, else this proves nothing`);
    assert.deepEqual([slotsThere, hoursThere], [slots, hours], zone);
  }
});

test("R24 a schedule in a time zone has one slot a day, also when clocks are set forward and back", () => {
  const berlin = inTimeZone("30 2 * * *", "Europe/Berlin");
  assert.equal(inTimeZone(berlin, "UTC"), berlin, "its own zone counts");
  assert.deepEqual(iso(slotsBetween(berlin, at("2026-03-27T12:00:00Z"), at("2026-03-30T12:00:00Z"))), [
    "2026-03-28T01:30",
    "2026-03-29T01:00", // 02:30 is left out: 03:00
    "2026-03-30T00:30",
  ]);
  assert.deepEqual(iso(slotsBetween(berlin, at("2026-10-24T12:00:00Z"), at("2026-10-26T12:00:00Z"))), [
    "2026-10-25T00:30", // 02:30 comes twice: the first
    "2026-10-26T01:30",
  ]);
  assert.throws(() => validateCron("0 2 * * * Europe/Nowhere"), /is not a time zone/);
});

test("R24 the slot before and the slot after agree in every time zone, around every change of clocks", () => {
  const zones = fc.constantFrom("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Havana");
  const moment = fc.date({ min: at("2026-01-01T00:00:00Z"), max: at("2027-12-31T00:00:00Z"), noInvalidDate: true });
  fc.assert(
    fc.property(zones, moment, fc.integer({ min: 0, max: 23 }), fc.constantFrom(0, 15, 30), (zone, from, hour, minute) => {
      const expr = `${minute} ${hour} * * * ${zone}`;
      const slot = nextSlot(expr, from);
      assert.ok(slot !== undefined && slot > from);
      assert.deepEqual(previousSlot(expr, slot), slot);
      assert.ok(slot.getTime() - from.getTime() <= 26 * 3_600_000, `${expr} from ${from.toISOString()}`);
      const before = previousSlot(expr, new Date(slot.getTime() - 1));
      assert.ok(before !== undefined && before <= from, `${expr}: a slot between ${from.toISOString()} and ${slot.toISOString()}`);
    }),
    { numRuns: 60 },
  );
});
