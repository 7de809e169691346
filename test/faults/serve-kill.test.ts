// `lifeboat serve`, killed at random moments of backups, drills and alerts, and begun again: nothing is lost, doubled or orphaned.
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { drawn } from "../support/accidents.ts";
import { breakableWay } from "../support/breakable-way.ts";
import { cases, seedOf } from "../support/every.ts";
import { beginSlack } from "../support/notify/rooms.ts";
import { freshDatabase, openApplication, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld } from "../support/program.ts";

import { beginServing, type Line } from "../support/serving.ts";

const KILLS = cases(40, 4);
const SOURCES = ["alpha", "bravo", "cut"];
/** Alerts that open once here. */
const CODES = ["NO_BACKUP", "SOURCE_UNREACHABLE"];
/** Most lines of its log after which the service is killed. A job writes about ten. */
const LINES = 30;

interface History {
  readonly source: string;
  readonly overdue: unknown;
  readonly doneDrills: readonly { readonly verdict: string }[];
}

const isAbout = ({ message }: Line, type: string): boolean => String(message).startsWith(`alert ${type}: `);

test(`R24 R30 R36 serve killed ${KILLS} times: each due item done once, alerts told, and green at the end`, {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const random = drawn(seedOf(t));
  const slack = await beginSlack(t);
  const database = await freshDatabase();
  await query(database, "create table t as select generate_series(1, 1000) as id");
  const way = await breakableWay({ connection: () => database });
  t.after(() => way.close());
  const world = await beginWorld(t, {
    sources: { alpha: database, bravo: database, cut: way.connection },
    source: "policy: nightly",
    yaml: `policies:
  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }], expire: "0 4 1 1 *" }
drills: { weekly: { sources: [alpha, bravo, cut], cron: "0 6 * * 0" } }
server: { beat: 1s }
workers: { jobs: 2 }
notify: { team: { kind: slack, url: "\${HOOK}", severities: [critical] } }
`,
    env: { HOOK: slack.url },
  });
  const textOf = (message: unknown): string => JSON.stringify(message);
  const told = (source: string, code: string, isOver: boolean): number =>
    slack.messages.filter((message) => {
      const text = textOf(message);
      return text.includes(`${source}:`) && text.includes(code) && text.includes("is over after") === isOver;
    }).length;

  await way.cut();
  let kills = 0;
  const logs: (readonly Line[])[] = [];
  const begin = async () => {
    const service = await beginServing(world);
    logs.push(service.lines);
    return service;
  };
  // The first kill is in the middle of a backup, after the alert of the source that is away was told.
  const first = await begin();
  await first.until(({ message }) => message === "step dump");
  while (told("cut", "SOURCE_UNREACHABLE", false) === 0) await sleep(50);
  first.kill("SIGKILL");
  await first.ended;
  kills += 1;
  while (kills < KILLS) {
    if (kills === Math.ceil(KILLS / 2)) await way.mend();
    const service = await begin();
    const lines = 1 + Math.floor(random() * LINES);
    // When there is nothing left to do, its beats are killed.
    await Promise.race([service.until(() => service.lines.length >= lines), sleep(10_000, undefined, { ref: false })]);
    service.kill("SIGKILL");
    await service.ended;
    kills += 1;
  }
  t.diagnostic(`${kills} kills`);

  const last = await begin();
  for (;;) {
    const { entries } = (await world.expect(0, "schedule", "--json")).json();
    if (!entries.some(({ due }: { due: boolean }) => due)) break;
    await sleep(1000);
  }
  for (const source of SOURCES) await last.health(`/api/health/db/${source}`, 200);
  // What a killed service was about to tell is told by another one two minutes later.
  const isHeard = (source: string, code: string): boolean => told(source, code, false) === 0 || told(source, code, true) > 0;
  while (!SOURCES.every((source) => CODES.every((code) => isHeard(source, code)))) await sleep(200);
  // What a service takes over when it begins is not told as abandoned, nor as a backup that failed.
  const isAlarm = (line: Line): boolean => isAbout(line, "opened") && /JOB_ABANDONED|LAST_BACKUP_FAILED/.test(String(line.code));
  assert.deepEqual(
    logs.flat().filter((line) => isAlarm(line) && line.source !== "cut"),
    [],
  );
  // A job that dies while a service runs is.
  const application = await openApplication(database);
  await application.query("begin; lock table t in access exclusive mode");
  const dying = world.start("backup", "alpha");
  const newest = async () => (await world.expect(0, "jobs", "--source", "alpha", "--json")).json().jobs[0];
  while ((await newest()).state !== "running") await sleep(50);
  dying.kill("SIGKILL");
  await dying.ended;
  await application.query("rollback");
  await application.close();
  const abandoned = await last.until((line) => isAbout(line, "opened") && line.code === "JOB_ABANDONED");
  assert.ok(String(abandoned.message).includes((await newest()).id));
  await world.expect(0, "jobs", "recover");
  await last.until((line) => isAbout(line, "closed") && line.code === "JOB_ABANDONED");
  await last.stop();

  const { points } = (await world.expect(0, "list", "--json")).json();
  assert.deepEqual(points.map(({ source }: { source: string }) => source).sort(), SOURCES, "one backup for each due slot");
  for (const { id } of points) await world.expect(0, "verify", id);
  const { histories } = (await world.expect(0, "drills", "--json")).json();
  assert.deepEqual(
    histories.map(({ source, overdue, doneDrills }: History) => [source, overdue, doneDrills.map(({ verdict }) => verdict)]),
    SOURCES.map((source) => [source, null, ["pass"]]),
    "one drill for each due slot",
  );
  const { jobs } = (await world.expect(0, "jobs", "--limit", "1000", "--json")).json();
  const states = new Set(jobs.map(({ state }: { state: string }) => state));
  states.delete("done");
  states.delete("failed");
  assert.deepEqual([...states], [], "no job is left running");

  // A message is repeated only where a service was killed between sending it and noting that in its log.
  for (const source of SOURCES) {
    for (const code of CODES) {
      for (const isOver of [false, true]) {
        const times = told(source, code, isOver);
        const type = isOver ? "closed" : "opened";
        const noted = logs.flat().filter((line) => line.source === source && line.code === code && isAbout(line, type)).length;
        assert.ok(noted <= 1 && times <= (noted === 1 ? 1 : kills), `${source} ${code} ${type}: noted ${noted} times, told ${times} times`);
      }
    }
  }
  const { open } = (await world.expect(0, "alerts", "--json")).json();
  assert.deepEqual(
    open.filter(({ severity }: { severity: string }) => severity === "critical"),
    [],
  );
  await world.assertNothingLeft();
});
