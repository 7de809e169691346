// The five example policies over ninety simulated days (of real branches, forty-five): after every night, exactly those points are there that calendar
// arithmetic says, no more and no fewer.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LATEST } from "../../src/core/recovery-target.ts";
import { backup } from "../../src/operations/backup/backup.ts";
import { snapshot } from "../../src/operations/backup/snapshot.ts";
import { findAnyPoint } from "../../src/operations/points/snapshots.ts";
import { drill } from "../../src/operations/recovery/drill.ts";
import { setHold } from "../../src/operations/retention/hold.ts";
import { providerStatus } from "../../src/operations/watch/provider-status.ts";
import { dateOf, dayOf, type Habit, isFirst, isSunday, survivors } from "../support/almanac.ts";
import { DAY_MS, HOUR_MS, practise } from "../support/calendar.ts";
import { startFakeNeon, startRealNeon } from "../support/neon-sandbox.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { drivenClock } from "../support/repository.ts";

const FIRST = dayOf("2026-09-01");
const DAYS = 90;
/** Longer than any point is kept, and over the beginning of a quarter: each night makes a server. */
const REAL_DAYS = 45;
const START = "2026-09-01T00:05:00.000Z";

const daily = (days: number): Habit => ({ on: () => true, name: (date) => `backup-${date}`, days });
/** On the first day everything is due, for nothing is there yet. */
const weekly = (days: number): Habit => ({ on: (day) => isSunday(day) || day === FIRST, name: (date) => `weekly-${date}`, days });

test("R5 R12 policy A: thirty nightly branches and no more, and a drill every quarter", { skip: skipWithoutPostgres() }, async (t) => {
  const clock = drivenClock(START);
  await using neon = await startRealNeon({ plan: "scale", clock });
  await query(
    { url: neon.sandbox.url, label: "production" },
    "create table users (id int primary key); insert into users select generate_series(1, 10)",
  );
  const { source, context, watch, night, names } = await practise(t, "policy-a.yaml", { clock, neon: neon.sandbox });
  let drills = 0;
  for (let day = FIRST; day < FIRST + REAL_DAYS; day++) {
    await neon.sandbox.tick();
    await night();
    assert.deepEqual(await names(), survivors([daily(30)], FIRST, day), dateOf(day));
    if (/-(01|04|07|10)-01$/.test(dateOf(day))) {
      const { evidence } = await drill(context, source, LATEST, watch);
      assert.equal(evidence.verdict, "pass", evidence.reasons.join("; "));
      drills++;
    }
    clock.advance(DAY_MS);
  }
  assert.equal(drills, 1, "October began a quarter");
});

test("R5 R11 R12 policy B: nights, Sundays, and points before deployments, on ten branches", async (t) => {
  const clock = drivenClock(START);
  await using neon = await startFakeNeon({ plan: "launch", limits: { branches: 10 }, clock });
  const { source, context, watch, night, names } = await practise(t, "policy-b.yaml", { clock, neon: neon.sandbox });
  // A deployment every fourth day at noon; every fifth of them fails, and its point is let go by hand four weeks later.
  const goes = new Map<string, number>();
  for (let day = FIRST; day < FIRST + DAYS; day++) {
    await neon.sandbox.tick();
    await night();
    const expected = [...survivors([daily(30), weekly(90)], FIRST, day), ...[...goes].flatMap(([name, end]) => (end > day ? [name] : []))];
    assert.deepEqual(await names(), expected.sort(), dateOf(day));
    const limits = (await providerStatus(context, source, watch))?.state?.limits ?? [];
    assert.ok((limits.find(({ name }) => name === "branches")?.used ?? 99) < 10, "room for a restore is left");
    clock.advance(12 * HOUR_MS);
    const count = (day - FIRST) / 4;
    if (Number.isInteger(count)) {
      const name = `pre-deploy-feature-${count}`;
      await snapshot(context, source, { preDeploy: `Feature ${count}` }, watch);
      clock.advance(HOUR_MS);
      if (count % 5 === 4) goes.set(name, day + 28 + 8);
      else {
        await setHold(context, await findAnyPoint(context, name), false, undefined, watch);
        goes.set(name, day + 8); // seven days from 13:00; the first night after that is the eighth
      }
      clock.advance(-HOUR_MS);
    }
    const overdue = `pre-deploy-feature-${(day - FIRST - 28) / 4}`;
    if (goes.get(overdue) === day + 8 && (day - FIRST - 28) % 20 === 16) {
      await setHold(context, await findAnyPoint(context, overdue), false, undefined, watch);
    }
    clock.advance(12 * HOUR_MS);
  }
});

test("R12 R24 policy C: dumps of thirty days, ninety days and a year, and forever before a change", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const connection = await freshDatabase();
  await query(connection, "create table public.legacy (id int primary key); insert into legacy values (1)");
  const clock = drivenClock("2026-09-01T02:05:00.000Z");
  const { source, context, watch, night, names } = await practise(t, "policy-c.yaml", { clock, env: { DATABASE_URL: connection.url } });
  const forever: string[] = [];
  // One backup a night, named for what keeps it longest.
  const only: Habit[] = [
    { on: (day) => !isSunday(day) && !isFirst(day), name: (date) => `backup-${date}`, days: 30 },
    { on: (day) => isSunday(day) && !isFirst(day), name: (date) => `weekly-${date}`, days: 90 },
    { on: isFirst, name: (date) => `monthly-${date.slice(0, 7)}`, days: 365 },
  ];
  for (let day = FIRST; day < FIRST + DAYS; day++) {
    await night();
    assert.deepEqual(await names(), [...survivors(only, FIRST, day), ...forever].sort(), dateOf(day));
    if ((day - FIRST) % 31 === 10) {
      const { manifest } = await backup(context, source, { kind: "full", preDeploy: `Schema v${day - FIRST}` }, watch);
      forever.push(manifest.name);
      assert.equal(manifest.name, `pre-change-schema-v${day - FIRST}`);
      // Released or not: the policy says forever.
      if (forever.length > 1) await setHold(context, await findAnyPoint(context, manifest.name), false, undefined, watch);
    }
    clock.advance(DAY_MS);
  }
  assert.equal(forever.length, 3);
});

test("R12 policy D: a week of midnights and four weeks of Sundays", async (t) => {
  const clock = drivenClock(START);
  await using neon = await startFakeNeon({ plan: "launch", clock });
  const { night, names } = await practise(t, "policy-d.yaml", { clock, neon: neon.sandbox });
  for (let day = FIRST; day < FIRST + DAYS; day++) {
    await neon.sandbox.tick();
    await night();
    assert.deepEqual(await names(), survivors([daily(7), weekly(28)], FIRST, day), dateOf(day));
    clock.advance(DAY_MS);
  }
});

test("R5 R6 R12 policy E: seven days of points made by hand, and the exceptions that were written down", async (t) => {
  const clock = drivenClock("2026-09-01T09:30:15.000Z");
  await using neon = await startFakeNeon({ plan: "launch", clock });
  const { source, context, watch, night, names } = await practise(t, "policy-e.yaml", { clock, neon: neon.sandbox });
  const made: { name: string; day: number; held: boolean }[] = [];
  for (let day = FIRST; day < FIRST + DAYS; day++) {
    await neon.sandbox.tick();
    // Not every day, and two on every ninth.
    for (let n = 0; n < (day % 9 === 0 ? 2 : day % 3 === 0 ? 0 : 1); n++) {
      const name = `backup-${dateOf(day).replaceAll("-", "")}-${n === 0 ? "093015" : "093115"}`;
      const { record } = await snapshot(context, source, { reason: "before the import", note: `number ${n}` }, watch);
      assert.equal(record.name, name);
      const held = day % 20 === 0;
      if (held) await setHold(context, await findAnyPoint(context, name), true, "evidence for the audit", watch);
      made.push({ name, day, held });
      clock.advance(60_000);
    }
    clock.advance(12 * HOUR_MS);
    await night();
    const newest = made.at(-1)?.name;
    const there = made.filter((one) => one.held || day - one.day < 7 || one.name === newest);
    assert.deepEqual(await names(), there.map(({ name }) => name).sort(), dateOf(day));
    clock.advance(Date.parse(`${dateOf(day + 1)}T09:30:15Z`) - clock.now().getTime());
  }
  const documented = (await findAnyPoint(context, made.find(({ held }) => held)?.name ?? "")).entry.point.hold;
  assert.equal(documented?.reason, "evidence for the audit");
});
