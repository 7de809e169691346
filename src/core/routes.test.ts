import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "./errors.ts";
import { isQuiet, matches, parseQuietHours, type Route, routeOf, unheardSources } from "./routes.ts";

const ALL: Route = { sources: [], severities: [] };

test("R36 quiet hours are read as a time of day, and anything else is refused", () => {
  assert.deepEqual(parseQuietHours("22:00-07:00"), { fromMinutes: 1320, toMinutes: 420 });
  assert.deepEqual(parseQuietHours(" 9:30 - 17:00 "), { fromMinutes: 570, toMinutes: 1020 });
  for (const text of ["22-7", "24:00-07:00", "22:60-07:00", "07:00-07:00", "22:00-07:00-08:00", ""])
    assert.throws(
      () => parseQuietHours(text),
      (error) => isLifeboatError(error, "USAGE"),
      text,
    );
});

test("R36 quiet hours span midnight in the configured zone, and their end is not part of them", () => {
  const night = parseQuietHours("22:00-07:00");
  const at = (time: string): Date => new Date(`2026-11-28T${time}Z`);
  assert.equal(isQuiet(night, at("21:59"), "UTC"), false);
  assert.equal(isQuiet(night, at("22:00"), "UTC"), true);
  assert.equal(isQuiet(night, at("06:59:59"), "UTC"), true);
  assert.equal(isQuiet(night, at("07:00"), "UTC"), false);
  assert.equal(isQuiet(night, at("21:30"), "Europe/Berlin"), true, "22:30 there");
  assert.equal(isQuiet(night, at("06:30"), "Europe/Berlin"), false, "07:30 there");
  // Summer time: 22:00 in Berlin is 20:00 in UTC.
  assert.equal(isQuiet(night, new Date("2026-07-01T20:00Z"), "Europe/Berlin"), true);
  assert.equal(isQuiet(night, new Date("2026-07-01T19:59Z"), "Europe/Berlin"), false);
});

test("R36 a route selects by source and severity; an alert about no source reaches all channels", () => {
  const shop: Route = { sources: ["shop"], severities: ["critical", "warning"] };
  assert.equal(matches(ALL, { source: "blog", severity: "info" }), true);
  assert.equal(matches(shop, { source: "shop", severity: "warning" }), true);
  assert.equal(matches(shop, { source: "blog", severity: "critical" }), false);
  assert.equal(matches(shop, { source: "shop", severity: "info" }), false);
  assert.equal(matches(shop, { source: null, severity: "critical" }), true);
});

test("R36 in quiet hours a critical alert goes out at once and others wait", () => {
  const route: Route = { ...ALL, quiet: parseQuietHours("22:00-07:00") };
  const night = new Date("2026-11-28T23:00Z");
  assert.equal(routeOf(route, { source: "shop", severity: "critical" }, night, "UTC"), "now");
  assert.equal(routeOf(route, { source: "shop", severity: "warning" }, night, "UTC"), "later");
  assert.equal(routeOf({ ...route, severities: ["critical"] }, { source: "shop", severity: "warning" }, night, "UTC"), "never");
  assert.equal(routeOf(route, { source: "shop", severity: "warning" }, new Date("2026-11-28T12:00Z"), "UTC"), "now");
});

test("R36 sources whose critical alerts no channel receives are named", () => {
  const shop: Route = { sources: ["shop"], severities: [] };
  const blog: Route = { sources: ["blog"], severities: ["info"] };
  assert.deepEqual(unheardSources([shop, blog], ["shop", "blog", "wiki"]), ["blog", "wiki"]);
  assert.deepEqual(unheardSources([shop, ALL], ["shop", "blog"]), []);
});
