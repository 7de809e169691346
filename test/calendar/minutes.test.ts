// A schedule of every minute: each slot is served exactly once, with late beats and clocks that are set.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Source } from "../../src/operations/context.ts";
import { backup } from "../../src/operations/verbs/backup.ts";
import { dueWork } from "../../src/operations/watch/schedule.ts";
import { practise } from "../support/calendar.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { drivenClock } from "../support/repository.ts";

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;

test("R24 a schedule of every minute serves each slot exactly once", { skip: skipWithoutPostgres() }, async (t) => {
  const connection = await freshDatabase();
  await query(connection, "create table public.t as select 1 as id");
  const clock = drivenClock("2026-09-01T12:00:00.000Z");
  const { source: real, context, watch } = await practise(t, "policy-c.yaml", { clock, env: { DATABASE_URL: connection.url } });
  const { engine } = real;
  const source: Source = Object.defineProperties(Object.create(real) as Source, {
    policy: { value: { tiers: [{ tier: "minutely", cron: "* * * * *", keepMs: 86_400_000, name: "backup-{stamp}" }] } },
    engine: {
      value: Object.defineProperty(Object.create(engine), "beginDump", {
        // The server's clock is 20 seconds ahead of this machine's.
        value: async (...given: Parameters<typeof engine.beginDump>) =>
          Object.assign(await engine.beginDump(...given), { snapshotAt: new Date(clock.now().getTime() + 20 * SECOND_MS) }),
      }),
    },
  });
  const on = { ...context, sources: new Map([[source.name, source]]), ...watch };
  const served: string[] = [];
  /** Two looks, as of two machines, or before and after a restart: nothing is remembered between them. */
  const look = async (): Promise<void> => {
    const looks = [await dueWork(on, source, watch), await dueWork(on, source, watch)];
    for (const { key, operation, request } of looks.flatMap(({ work }) => work)) {
      if (operation !== "backup") continue;
      const { made, failures } = await backup.run(on, request);
      assert.deepEqual(failures, []);
      served.push(...made.map(() => key));
    }
  };
  for (const lateMs of [0, 59, 0, 30].map((seconds) => seconds * SECOND_MS)) {
    clock.advance(lateMs);
    await look();
    clock.advance(-3 * SECOND_MS); // the clock is set back by seconds
    await look();
    clock.advance(3 * SECOND_MS + MINUTE_MS - lateMs);
  }
  // The clock of this machine is an hour ahead for a while.
  const before = served.length;
  clock.advance(60 * MINUTE_MS);
  await look();
  clock.advance(-60 * MINUTE_MS);
  for (let minute = 0; minute < 3; minute++) {
    clock.advance(MINUTE_MS);
    await look();
  }
  const [ahead, ...after] = served.splice(before).map((key) => key.slice(-13, -5));
  assert.equal(ahead, "13:04:00");
  assert.equal(after.at(-1), "12:07:00", "what it made then suppresses nothing that is due now");
  const slots = Array.from({ length: 4 }, (_, minute) => `backup:legacy:2026-09-01T12:0${minute}:00.000Z`);
  assert.deepEqual(served, slots);
});
