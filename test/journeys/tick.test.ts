// What happens while no person types: a line of cron that runs `tick`, and the alerts it opens and closes.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import { beat } from "../../src/operations/watch/beat.ts";
import type { Channel } from "../../src/ports/notifier.ts";
import { silentProgress } from "../../src/ports/progress.ts";
import { systemClock } from "../../src/system-clock.ts";
import { beginSlack } from "../support/notify/rooms.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";
import { beginServing } from "../support/serving.ts";

const skip = skipWithoutPostgres();

async function begin(t: Parameters<typeof beginWorld>[0]): Promise<World> {
  const shop = await freshDatabase();
  await query(shop, "create table t as select generate_series(1, 100) as id");
  const yaml =
    'policies:\n  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }] }\ndrills:\n  weekly: { sources: [shop], cron: "0 6 * * 0" }\n';
  return beginWorld(t, { sources: { shop }, source: "policy: nightly", yaml });
}

test("R24 R30 tick makes the backup, drill and expiry that are due, once; schedule says what is next", { skip }, async (t) => {
  const world = await begin(t);
  const before = (await world.expect(0, "schedule", "--json")).json();
  assert.deepEqual(before.entries.map(({ what, due }: { what: string; due: boolean }) => [what, due]).sort(), [
    ["backup", true],
    ["drill", false], // it waits for the first backup, which the same tick makes
    ["expire", true],
  ]);
  const first = (await world.expect(0, "tick", "--json")).json();
  assert.deepEqual([first.backups.length, first.drills.length, first.expired.length, first.failures], [1, 1, 1, []]);
  assert.deepEqual([first.verdict, first.alerts.open], ["pass", []]);
  const again = (await world.expect(0, "tick", "--json")).json();
  assert.deepEqual([again.backups, again.drills, again.expired], [[], [], []]);
  const after = (await world.expect(0, "schedule", "shop", "--json")).json();
  assert.ok(after.entries.every(({ due }: { due: boolean }) => !due));
  assert.match((await world.expect(0, "schedule")).stdout, /backup +daily +0 2 \* \* \*/);
  await world.assertNothingLeft();
});

test("R24 R30 a paused source is left alone by tick and shown by status and schedule, until it is resumed", { skip }, async (t) => {
  const world = await begin(t);
  await world.expect(0, "pause", "shop", "--for", "2h", "--reason", "server upgrade");
  assert.match((await world.expect(0, "schedule")).stdout, /paused/);
  const [{ paused, verdict }] = (await world.run("status", "--json")).json().sources;
  assert.deepEqual([paused.reason, Date.parse(paused.endsAt) - Date.parse(paused.at), verdict], ["server upgrade", 7_200_000, "fail"]);
  const ticked = (await world.expect(0, "tick", "--json")).json();
  assert.deepEqual([ticked.backups, ticked.drills, ticked.expired], [[], [], []]);
  await world.expect(0, "resume", "shop");
  const due = (await world.expect(0, "schedule", "--json")).json();
  assert.deepEqual([due.pauses, due.entries.length], [[], 3]);
  // Two machines at once: what is due is asked again under the lease, and done once.
  const both = await Promise.all([world.run("backup", "--due", "--json"), world.run("backup", "--due", "--json")]);
  const made = both.flatMap((ran) => ran.json().made);
  assert.equal(made.length, 1);
  assert.ok(both.every((ran) => ran.json().failures.every(({ code }: { code: string }) => code === "LEASE_HELD")));
  await world.assertNothingLeft();
});

test("R24 R33 a source that is away does not keep tick from the others, and ends it with a failure", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t as select 1 as id");
  const away = { url: "postgres://shop@127.0.0.1:1/shop", label: "away" };
  const yaml = 'policies:\n  nightly: { backups: [{ tier: daily, cron: "0 2 * * *", keep: 30d }] }\n';
  const world = await beginWorld(t, { sources: { away, shop }, source: "policy: nightly", yaml });
  const ran = (await world.expect(1, "tick", "--json")).json();
  assert.deepEqual(
    [ran.verdict, ran.backups.map(({ source }: { source: string }) => source), ran.failures[0].source, ran.failures[0].code],
    ["fail", ["shop"], "away", "SOURCE_UNREACHABLE"],
  );
});

test("R36 a backup deleted by hand opens an alert with the next tick, and closes it when acknowledged", { skip }, async (t) => {
  const world = await begin(t);
  await world.expect(0, "tick");
  const [point] = (await world.expect(0, "list", "--json")).json().points;
  const { path } = (await world.expect(0, "show", point.id, "--json")).json();
  rmSync(path, { recursive: true });
  // The policy's own backup is gone: tick makes it again, and says what it missed.
  const { alerts } = (await world.expect(0, "tick", "--json")).json();
  assert.ok(alerts.opened.some(({ code }: { code: string }) => code === "POINT_MISSING"));
  const { open } = (await world.expect(0, "alerts", "--json")).json();
  assert.deepEqual(
    open
      .map(({ source, code, severity }: Record<string, string>) => [source, code, severity])
      .filter(([, code]: string[]) => code === "POINT_MISSING"),
    [["shop", "POINT_MISSING", "critical"]],
  );
  await world.expect(0, "acknowledge", "shop", "--reason", "deleted by hand");
  const ticked = (await world.expect(0, "tick", "--json")).json();
  assert.ok(ticked.alerts.closed.some(({ code }: { code: string }) => code === "POINT_MISSING"));
});

test("R36 two machines tell an alert once, and again when no channel took it", {
  skip,
}, async (t) => {
  const world = await begin(t);
  editConfig(world, (text) => text.replace(/drills:[\s\S]*?\n(?=\S|$)/, ""));
  let ahead = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + ahead) };
  const told: string[] = [];
  let isAway = true;
  const channel: Channel = {
    name: "pager",
    kind: "test",
    route: { sources: [], severities: ["critical"] },
    notifier: async () => ({
      async send({ event, code }) {
        if (isAway) throw new Error("the pager does not answer");
        if (code === "NO_BACKUP") told.push(`${event} ${code}`);
      },
    }),
  };
  const machine = async () => {
    const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
    const context = await compose(config, { clock, lifeboat: "0", env: world.env });
    t.after(() => context.close());
    const watch = { signal: new AbortController().signal, progress: silentProgress };
    return () => beat({ ...context, notifiers: new Map([["pager", channel]]) }, [...context.sources.values()], watch);
  };
  const [one, two] = [await machine(), await machine()];
  const state = () => readFileSync(join(world.repository, "alerts.json"), "utf8");

  // The first backup is due: for an hour that does not alarm, though status says it.
  const early = await one();
  assert.deepEqual([early.told, early.isWell, early.verdict], [[], true, "fail"]);
  assert.match((await world.run("status")).stdout, /there is no restore point/);
  ahead = 61 * 60_000;
  const first = await one();
  assert.equal(first.isWell, false);
  assert.match(first.told.find(({ event }) => event.alert.code === "NO_BACKUP")?.error ?? "", /does not answer/);
  assert.deepEqual((await two()).told, [], "the other one still tries");
  isAway = false;
  ahead += 180_000;
  assert.ok((await two()).told.some(({ event, error }) => event.alert.code === "NO_BACKUP" && error === undefined));
  assert.deepEqual(told, ["opened NO_BACKUP"]);
  await one();
  const quiet = state();
  await Promise.all([one(), two()]);
  assert.deepEqual([state(), told], [quiet, ["opened NO_BACKUP"]]);
  ahead += 3_600_000;
  await Promise.all([one(), two()]);
  assert.deepEqual(told, ["opened NO_BACKUP", "reminder NO_BACKUP"]);
  await world.expect(0, "backup", "--due");
  await Promise.all([one(), two()]);
  assert.deepEqual(told.slice(2), ["closed NO_BACKUP"]);
});

test("R36 an alert waits for the end of quiet hours, and the channel has not failed meanwhile", { skip }, async (t) => {
  const world = await begin(t);
  const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
  let ahead = 0;
  const clock = { ...systemClock, now: () => new Date(Date.now() + ahead) };
  const context = await compose(config, { clock, lifeboat: "0", env: world.env });
  t.after(() => context.close());
  const minutes = (at: Date): number => at.getUTCHours() * 60 + at.getUTCMinutes();
  const begun = minutes(new Date());
  const quiet = { fromMinutes: (begun + 1439) % 1440, toMinutes: (begun + 60) % 1440 };
  const told: string[] = [];
  const notifier = async () => ({ send: async ({ event, code }: { event: string; code: string }) => void told.push(`${event} ${code}`) });
  const notifiers = new Map([
    ["mail", { name: "mail", kind: "test", route: { sources: [], severities: ["warning" as const], quiet }, notifier }],
  ]);
  const watch = { signal: new AbortController().signal, progress: silentProgress };
  const look = () => beat({ ...context, timeZone: () => "UTC", notifiers }, [...context.sources.values()], watch);
  await world.expect(0, "backup", "--due");
  await look();
  assert.equal(told.length, 0, told.join());
  ahead = 61 * 60_000;
  const { open } = await look();
  assert.ok(told.includes("opened NEVER_VERIFIED"), told.join());
  assert.ok(!open.some(({ code }) => code === "NOTIFY_FAILED"));
});

test("R36 R37 tick posts an alert to a webhook, signed, and posts its end; notify test confirms it", { skip }, async (t) => {
  const received: { readonly headers: IncomingHttpHeaders; readonly body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request
      .on("data", (chunk) => (body += chunk))
      .on("end", () => {
        received.push({ headers: request.headers, body });
        response.writeHead(204).end();
      });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const key = randomBytes(32);
  const shop = await freshDatabase();
  await query(shop, "create table t as select 1 as id");
  const yaml = `notify:\n  ops: { kind: webhook, url: "http://127.0.0.1:${port}/hook", secret: "\${HOOK}", severities: [critical] }\n`;
  const world = await beginWorld(t, { sources: { shop }, yaml, env: { HOOK: `whsec_${key.toString("base64")}` } });
  await world.expect(0, "notify", "test");
  await world.expect(0, "tick");
  await world.expect(0, "backup");
  await world.expect(0, "tick");
  const alerts = received.map(({ headers, body }) => {
    const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
    assert.equal(headers["webhook-signature"], `v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    return JSON.parse(body);
  });
  const told = alerts.map(({ type, data }) => `${type} ${data?.code ?? ""}`);
  assert.equal(told.length, 3, told.join(", "));
  assert.match(told.slice(1).join(", "), /NO_BACKUP.*NO_BACKUP/);
  assert.ok(!received.some(({ body }) => body.includes("whsec_")));
});

test("R36 R33 a repository that is away is told once, and nothing is stored in its place", { skip }, async (t) => {
  const slack = await beginSlack(t);
  const shop = await freshDatabase();
  await query(shop, "create table t as select 1 as id");
  const yaml = `server: { beat: 1s }\nnotify:\n  ops: { kind: slack, url: "\${HOOK}" }\n`;
  const world = await beginWorld(t, { sources: { shop }, yaml, env: { HOOK: slack.url } });
  await world.expect(0, "backup");
  await world.expect(0, "tick");
  const about = (): number => slack.messages.filter((message) => JSON.stringify(message).includes("REPOSITORY_UNREACHABLE")).length;
  const elsewhere = `${world.repository}-elsewhere`;
  renameSync(world.repository, elsewhere);

  const ran = (await world.expect(1, "tick", "--json")).json();
  assert.deepEqual([ran.verdict, ran.failures.map(({ code }: { code: string }) => code)], ["fail", ["STORAGE_NOT_FOUND"]]);
  assert.deepEqual(
    ran.alerts.opened.map(({ source, code }: Record<string, string>) => [source, code]),
    [[null, "REPOSITORY_UNREACHABLE"]],
  );
  assert.equal(about(), 1);
  // The empty directory of a share that is not mounted.
  mkdirSync(world.repository);
  assert.equal((await world.expect(10, "tick", "--json")).json().failures[0].code, "NO_REPOSITORY");
  const service = await beginServing(world);
  // 503 without a verdict: the first beat has not ended.
  let red = await service.health("/api/health", 503);
  for (; red.verdict === undefined; red = await service.health("/api/health", 503)) await sleep(100);
  assert.equal(red.verdict, "fail");
  assert.equal(about(), 1, "it is told once");
  assert.deepEqual(readdirSync(world.repository), []);

  rmSync(world.repository, { recursive: true });
  renameSync(elsewhere, world.repository);
  await service.health("/api/health", 200);
  const saw = async (event: string, from: number) =>
    service.until(({ code, message }) => code === "REPOSITORY_UNREACHABLE" && String(message).startsWith(`alert ${event}`), from);
  await saw("closed", 0);
  assert.equal(about(), 2);

  // The share is unmounted under the running service, and mounted again.
  const seen = service.lines.length;
  renameSync(world.repository, elsewhere);
  mkdirSync(world.repository);
  await saw("opened", seen);
  await service.health("/api/health", 503);
  assert.equal((await world.run("backup", "--json")).code, "NO_REPOSITORY");
  assert.deepEqual(readdirSync(world.repository), [], "nothing is written into the directory under the share");
  rmSync(world.repository, { recursive: true });
  renameSync(elsewhere, world.repository);
  await saw("closed", seen);
  await service.health("/api/health", 200);
  await service.stop();
  assert.equal(about(), 4);
  const { open } = (await world.expect(0, "tick", "--json")).json().alerts;
  assert.deepEqual(
    open.filter(({ code }: { code: string }) => code === "REPOSITORY_UNREACHABLE"),
    [],
  );
});
