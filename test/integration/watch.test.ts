// What a beat finds, from a planted cause to its cure: nothing else appears, and the cure closes it.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import { alertInWords } from "../../src/core/alerts.ts";
import { LifeboatError } from "../../src/core/errors.ts";
import type { HealthCode } from "../../src/core/monitors.ts";
import { backup } from "../../src/operations/backup/backup.ts";
import type { Context, Source } from "../../src/operations/context.ts";
import { acknowledge } from "../../src/operations/retention/acknowledge.ts";
import { planExpire } from "../../src/operations/retention/expire.ts";
import { beat, channelWorks, openAlerts } from "../../src/operations/watch/beat.ts";
import { checklistsOf } from "../../src/operations/watch/checklist.ts";
import { sharedOf } from "../../src/operations/watch/shared.ts";
import { statusOf } from "../../src/operations/watch/status.ts";
import type { Connection, DatabaseFacts } from "../../src/ports/connection.ts";
import type { Channel, Notifier } from "../../src/ports/notifier.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import type { Storage } from "../../src/ports/storage.ts";
import { readAlerts } from "../../src/repository/alerts.ts";
import { systemClock } from "../../src/system-clock.ts";
import { startFakeNeon } from "../support/neon-sandbox.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, type World } from "../support/program.ts";

const ANSWERS: Partial<DatabaseFacts> = { sizeBytes: 1_000_000 };
const AWAY: Connection = { url: "postgres://127.0.0.1:1/none", label: "none" };
const DAY_S = 86_400;
const watch = { signal: new AbortController().signal, progress: silentProgress };

/** The program's own wiring, with a clock that can be set ahead. */
async function wire(t: TestContext, world: World, facts?: Partial<DatabaseFacts>) {
  let aheadMs = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + aheadMs) };
  const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
  const context = await compose(config, { clock, lifeboat: "0", env: world.env });
  t.after(() => context.close());
  // The sandbox's database is none that could be connected to.
  const answering = (source: Source): Source =>
    Object.defineProperties(Object.create(source) as Source, {
      provider: { value: Object.defineProperty(Object.create(source.provider), "connection", { value: async () => AWAY }) },
      engine: { value: { ...source.engine, inspect: async () => ({ now: clock.now(), ...facts }) } },
    });
  const sources = facts === undefined ? context.sources : new Map([...context.sources].map(([name, one]) => [name, answering(one)]));
  return {
    context: { ...context, sources },
    pass(ms: number) {
      aheadMs += ms;
    },
  };
}

/** The context, with other answers of its storage. */
function withStorage(context: Context, answers: Partial<Storage>): Context {
  const { storage } = context.repository;
  const get = (_: Storage, name: keyof Storage) => {
    const member = answers[name] ?? storage[name];
    return typeof member === "function" ? member.bind(storage) : member;
  };
  return { ...context, repository: { ...context.repository, storage: new Proxy(storage, { get }) } };
}

/** What the next beat opens and closes. */
async function told(context: Context): Promise<string[]> {
  const { events } = await beat(context, [...context.sources.values()], watch);
  return events.map(({ type, alert }) => `${type} ${alert.code}${alert.about === undefined ? "" : ` ${alert.about}`}`).sort();
}

/** Plants, looks, cures, looks: the alert opens and closes, and no other one appears. */
async function plant(context: Context, code: HealthCode, cause: () => unknown, cure: () => unknown, about = ""): Promise<void> {
  const of = about === "" ? code : `${code} ${about}`;
  await cause();
  assert.deepEqual(await told(context), [`opened ${of}`]);
  assert.deepEqual(await told(context), [], `${of} opens once`);
  await cure();
  assert.deepEqual(await told(context), [`closed ${of}`]);
}

test("R36 settings lowered at Neon alert within a beat, policy or not, and close when raised or accepted", async (t) => {
  await using neon = await startFakeNeon({ plan: "scale" });
  const { sandbox } = neon;
  const world = await beginWorld(t, { sources: {}, neon: { shop: sandbox } });
  const { context } = await wire(t, world, ANSWERS);
  const history = (seconds: number) => neon.expect(200, "PATCH", "", { project: { history_retention_seconds: seconds } });
  await history(7 * DAY_S);
  const { branches } = await neon.expect(200, "GET", "/branches");
  await neon.expect(200, "POST", `/branches/${branches[0].id}/snapshot?name=kept`);
  await told(context);
  await plant(
    context,
    "RETENTION_LOWERED",
    () => history(DAY_S),
    () => history(7 * DAY_S),
    "history",
  );
  await plant(
    context,
    "PITR_OFF",
    () => history(0),
    () => history(7 * DAY_S),
  );
  const [source] = context.sources.values();
  assert.ok(source);
  await plant(
    context,
    "RETENTION_LOWERED",
    () => history(DAY_S),
    () => acknowledge(context, source, "cheaper", watch),
    "history",
  );
  assert.deepEqual(await told(context), [], "what was accepted is what the next beat compares with");

  // While the repository takes no alerts, this machine remembers for itself. What a later beat cannot see, it does not call over.
  await history(7 * DAY_S);
  await told(context);
  await history(DAY_S);
  const { repository } = context;
  const unwritable = withStorage(context, { put: () => Promise.reject(new LifeboatError("STORAGE_UNREACHABLE", "no answer")) });
  assert.deepEqual(await told(unwritable), ["opened REPOSITORY_UNREACHABLE", "opened RETENTION_LOWERED history"]);
  assert.deepEqual(await told(unwritable), []);
  const { verdict, isWell, codes } = await beat(unwritable, [], watch);
  assert.deepEqual([verdict, isWell, codes.get(null)], ["fail", false, ["REPOSITORY_UNREACHABLE"]], "health and heartbeats say it");
  const unasked = Object.defineProperty(Object.create(source) as Source, "provider", {
    value: Object.defineProperty(Object.create(source.provider), "settings", {
      value: { read: () => Promise.reject(new LifeboatError("PROVIDER_UNREACHABLE", "no answer")) },
    }),
  });
  const dark = (await told({ ...context, sources: new Map([[source.name, unasked]]) })).filter((text) => text.startsWith("closed"));
  assert.deepEqual(dark, ["closed REPOSITORY_UNREACHABLE"]);
  assert.ok((await openAlerts(context, watch.signal)).some(({ code }) => code === "RETENTION_LOWERED"));
  assert.deepEqual(await told(context), ["closed PROVIDER_NOT_ASKED"], "what this machine told is not told again");
  assert.deepEqual((await readAlerts((await context.aside?.find()) ?? assert.fail())).open, [], "the repository has taken it over");

  // A machine that has another source in the same repository forgets nothing of this one.
  await beat({ ...context, sources: new Map() }, [], watch);
  assert.deepEqual((await readAlerts(repository)).observed.map(({ source: of }) => of).includes(source.name), true);
});

test("R65 a table that lost rows or values is told by backup and beat, and expiry waits", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table users as select n as id, 'user' || n || '@example.com' as email from generate_series(1, 2000) n");
  await query(shop, "analyze users");
  const world = await beginWorld(t, { sources: { shop } });
  const { context } = await wire(t, world);
  const [source] = context.sources.values();
  assert.ok(source);
  const make = async (sql: string): Promise<readonly string[]> => {
    await query(shop, sql);
    return (await backup(context, source, { kind: "full" }, watch)).warnings;
  };
  assert.deepEqual(await make("select 1"), []);
  await told(context);
  const lost = /^table public.users has 0 rows; it had at least 2000/;
  const remove = async () => assert.match((await make("delete from users where id > 0")).join(), lost);
  const bringBack = () => make("insert into users select n, 'user' || n || '@example.com' from generate_series(1, 2000) n");
  await plant(context, "TABLE_EMPTIED", remove, bringBack, "public.users");
  await plant(
    context,
    "TABLE_EMPTIED",
    async () => {
      assert.match((await make("update users set email = 'x'; analyze users")).join(), /users has 1 distinct values in column email/);
      assert.match((await planExpire(context, source, watch)).blocked.join(), /users has 1 distinct/);
    },
    () => acknowledge(context, source, "intended", watch),
    "public.users",
  );
  assert.deepEqual((await planExpire(context, source, watch)).blocked, []);

  const full = withStorage(context, { freeBytes: async () => 1 });
  assert.deepEqual(await told(full), ["opened REPOSITORY_FILLING"]);
  assert.deepEqual((await beat(full, [], watch)).events, [], "a beat without the sources does not know what must fit");
  const [list] = await checklistsOf(full, [source], "weekly", watch);
  assert.deepEqual(list?.lines.find(({ item }) => item === "storage")?.outcome, "fail");
  assert.deepEqual(await told(context), ["closed REPOSITORY_FILLING"]);
});

test("R36 R37 a channel that refuses is not tried again, and another one speaks in the same beat", async (t) => {
  await using neon = await startFakeNeon({ plan: "scale" });
  const world = await beginWorld(t, { sources: {}, neon: { shop: neon.sandbox } });
  const { context, pass } = await wire(t, world, ANSWERS);
  let refusals = 0;
  const heard: string[] = [];
  const channel = (name: string, send: NonNullable<Notifier["send"]>): [string, Channel] => [
    name,
    { name, kind: "test", route: { sources: [], severities: [] }, notifier: async () => ({ send }) },
  ];
  const notifiers = new Map([
    channel("broken", async () => {
      refusals++;
      throw new LifeboatError("NOTIFY_REFUSED", "the token was revoked");
    }),
    channel("mail", async ({ event, code, identity, message }) => void heard.push(`${event} ${code} ${identity}: ${message}`)),
  ]);
  const look = () => beat({ ...context, notifiers }, [...context.sources.values()], watch);
  const { told: deliveries, events } = await look();
  assert.ok(deliveries.some(({ channel: name, error }) => name === "broken" && error !== undefined));
  const said = "the repository: the channel broken does not take alerts: the token was revoked";
  assert.deepEqual(heard.at(-1), `opened NOTIFY_FAILED lifeboat//NOTIFY_FAILED/broken: ${said}`);
  assert.equal(refusals, events.length - 1, "each event once, and not of its own trouble");
  pass(10 * 60_000);
  const later = await look();
  assert.equal(refusals, events.length - 1 + later.events.length, "what was refused is not sent again");
  await channelWorks(context, new Set(["broken"]));
  assert.deepEqual(
    (await look()).events.map(({ type, alert }) => `${type} ${alert.code}`),
    ["closed NOTIFY_FAILED"],
  );
});

test("R36 R37 many alerts of a beat are one message, or one incident each, and a stop repeats none", async (t) => {
  const names = Array.from({ length: 60 }, (_, index) => `s${index}`);
  const world = await beginWorld(t, { sources: Object.fromEntries(names.map((name) => [name, AWAY])) });
  const { context, pass } = await wire(t, world);
  const messages: string[] = [];
  const incidents: string[] = [];
  let roomFails = false;
  let pagerFails = false;
  let pagerCalls = 0;
  const stop = new AbortController();
  const channel = (name: string, notifier: Notifier): [string, Channel] => [
    name,
    { name, kind: "test", route: { sources: [], severities: ["critical"] }, notifier: async () => notifier },
  ];
  const notifiers = new Map([
    channel("room", {
      send: async ({ event, code }) => void messages.push(`${event} ${code}`),
      async sendGroup({ event, alerts, next }) {
        if (roomFails) throw new LifeboatError("NOTIFY_FAILED", "no answer");
        messages.push(`${event} ${alerts.length} ${[...new Set(alerts.map(({ code }) => code))]} next: ${next}`);
      },
    }),
    channel("pager", {
      async send({ event, identity }) {
        pagerCalls++;
        if (pagerFails) throw new LifeboatError("NOTIFY_FAILED", "no answer");
        incidents.push(`${event} ${identity}`);
        if (incidents.length === 10) stop.abort(new LifeboatError("CANCELLED", "stopped by SIGTERM"));
      },
    }),
  ]);
  const sources = [...context.sources.values()];
  const look = (signal = watch.signal) => beat({ ...context, notifiers }, sources, { ...watch, signal });

  // A stop in the middle of the pager's turn: what it took is not sent again, and the rest is.
  await assert.rejects(look(stop.signal), /stopped/);
  assert.deepEqual(messages, ["opened 120 SOURCE_UNREACHABLE,NO_BACKUP next: lifeboat status"]);
  assert.ok(incidents.length < 120, "it stopped in the middle");
  pass(3 * 60_000);
  await look();
  assert.equal(messages.length, 1, "the room is not told again");
  assert.deepEqual(new Set(incidents).size, 120);
  assert.equal(incidents.length, 120, "each incident was opened once");
  assert.deepEqual((await readAlerts(context.repository)).pending, []);

  // A group that fails stays due, and another channel speaks of that.
  pass(61 * 60_000);
  roomFails = true;
  const { told: deliveries } = await look();
  assert.equal(deliveries.filter(({ channel: name, error }) => name === "room" && error === "no answer").length, 120);
  assert.equal(incidents.filter((one) => one.startsWith("reminder")).length, 120);
  assert.equal((await readAlerts(context.repository)).pending.filter(({ left }) => left.join() === "room").length, 120);
  roomFails = false;
  pass(3 * 60_000);
  await look();
  assert.deepEqual(messages.slice(1), ["reminder 120 SOURCE_UNREACHABLE,NO_BACKUP next: lifeboat status"]);
  assert.deepEqual((await readAlerts(context.repository)).pending, []);

  // A service that cannot be reached is not asked again for each alert.
  pass(5 * 3_600_000);
  [pagerFails, pagerCalls] = [true, 0];
  await look();
  assert.ok(pagerCalls <= 4, `${pagerCalls} requests`);
  pagerFails = false;
  pass(3 * 60_000);
  await look();
  assert.equal(incidents.filter((one) => one.startsWith("reminder")).length, 240);
  assert.deepEqual((await readAlerts(context.repository)).pending, []);

  // What is over is one message too, and every incident is resolved.
  const none = { ...context, notifiers, sources: new Map() };
  await beat(none, [], watch);
  assert.match(messages.at(-1) ?? "", /^closed 120 /);
  assert.equal(incidents.filter((one) => one.startsWith("closed")).length, 120);
});

test("R36 a full repository opens one alert, repeats none, and closes what is over once it has room", async (t) => {
  const world = await beginWorld(t, { sources: { shop: AWAY } });
  const { context } = await wire(t, world, ANSWERS);
  const unreachable = await wire(t, world);
  assert.ok((await told(unreachable.context)).includes("opened SOURCE_UNREACHABLE"));
  const noSpace = { put: () => Promise.reject(new LifeboatError("STORAGE_FULL", "no space is left")), freeBytes: async () => 0 };
  const full = withStorage(unreachable.context, noSpace);
  assert.deepEqual(await told(full), ["opened REPOSITORY_FILLING"]);
  assert.deepEqual(await told(full), []);
  // What health answers from: it is found, whether it was told before or not.
  const { codes, open } = await beat(full, [], watch);
  assert.deepEqual(codes.get(null), ["REPOSITORY_FILLING"]);
  const isOpen = (wanted: HealthCode): boolean => open.some(({ code }) => code === wanted);
  assert.ok(isOpen("SOURCE_UNREACHABLE") && isOpen("REPOSITORY_FILLING"), "all that is open counts, wherever that is stored");
  const answering = withStorage(context, noSpace);
  assert.deepEqual(await told(answering), []);
  assert.deepEqual(await told(context), ["closed REPOSITORY_FILLING", "closed SOURCE_UNREACHABLE"]);
  assert.deepEqual(await told(context), []);
});

test("R36 alerts of a source that leaves the configuration close, and say so, on the machine that had it", async (t) => {
  const world = await beginWorld(t, { sources: { shop: AWAY, gone: AWAY } });
  const { context } = await wire(t, world);
  assert.ok((await told(context)).includes("opened SOURCE_UNREACHABLE"));
  const less = { ...context, sources: new Map([...context.sources].filter(([name]) => name !== "gone")) };
  // Another machine, or another configuration, which never had it.
  const other = await beat({ ...less, configurationFile: "/etc/other.yaml" }, [...less.sources.values()], watch);
  assert.deepEqual(other.events, []);
  const { events, open } = await beat(less, [...less.sources.values()], watch);
  assert.deepEqual(
    events.map(({ type, alert }) => `${type} ${alert.source} ${alert.code}`),
    open.map(({ code }) => `closed gone ${code}`),
  );
  assert.match(
    events.map(alertInWords).join("\n"),
    /^gone left the configuration: SOURCE_UNREACHABLE is no longer looked for \(open for /m,
  );
  assert.deepEqual(await told(less), []);
  assert.ok((await told(context)).includes("opened SOURCE_UNREACHABLE"), "it is watched again");
});

test("R24 a look at a source that is told to stop ends with that reason, and no promise is left to fail", async (t) => {
  const world = await beginWorld(t, { sources: { away: AWAY } });
  const { context } = await wire(t, world);
  const [source] = context.sources.values();
  assert.ok(source);
  const shared = await sharedOf(context, watch.signal);
  const reason = new LifeboatError("CANCELLED", "stopped by SIGTERM");
  await assert.rejects(statusOf(context, source, { ...watch, signal: AbortSignal.abort(reason) }, shared), reason);
});
