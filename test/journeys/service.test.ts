// A team's day and night with `lifeboat serve`: what it does at its slots, and what it tells when something fails.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { SMTPServer } from "smtp-server";
import { breakableWay } from "../support/breakable-way.ts";
import { beginBetterStack, beginSentry } from "../support/notify/pagers.ts";
import { beginSlack } from "../support/notify/rooms.ts";
import { freshDatabase, query, skipWithoutPostgres } from "../support/postgres.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";
import { beginServing } from "../support/serving.ts";

const skip = skipWithoutPostgres();
/** A backup made this shortly before a slot is the slot's. */
const TOLERANCE_MS = 61_000;

/** A schedule whose next slot is the first full minute after the instant. */
function cronAfter(atMs: number): { readonly cron: string; readonly slot: string } {
  const slot = new Date(Math.ceil(atMs / 60_000) * 60_000);
  return { cron: `${slot.getUTCMinutes()} ${slot.getUTCHours()} * * *`, slot: slot.toISOString() };
}

async function beginMail(t: TestContext) {
  const subjects: string[] = [];
  const server = new SMTPServer({
    ...{ authOptional: true, disabledCommands: ["STARTTLS", "AUTH"], logger: false, closeTimeout: 100 },
    onData(stream, _session, callback) {
      let text = "";
      stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      stream.on("end", () => {
        subjects.push(/^Subject: (.*(?:\r\n\s.*)*)/m.exec(text)?.[1] ?? "");
        callback();
      });
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  t.after(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { subjects, port: (server.server.address() as AddressInfo).port };
}

const tiersOf = async (world: World): Promise<readonly { readonly tiers: readonly string[]; readonly time: string }[]> =>
  (await world.expect(0, "list", "--json")).json().points;

test("R30 R36 R38 a team's day: drill, failed midnight backup told to all channels, and green again", { skip }, async (t) => {
  const [slack, mail, better, sentry] = [await beginSlack(t), await beginMail(t), await beginBetterStack(t), await beginSentry(t)];
  const database = await freshDatabase();
  await query(database, "create table t as select generate_series(1, 1000) as id");
  const way = await breakableWay({ connection: () => database });
  t.after(() => way.close());
  const nightly = (cron: string): string =>
    `policies: { nightly: { backups: [{ tier: daily, cron: "${cron}", keep: 30d }], expire: "0 4 1 1 *" } }\n`;
  const yaml = `${nightly("0 0 1 1 *")}drills: { monthly: { sources: [shop], cron: "0 6 * * 0#1" } }
server: { beat: 1s }
notify:
  team: { kind: slack, url: "\${HOOK}", severities: [critical] }
  mail: { kind: email, host: 127.0.0.1, port: ${mail.port}, tls: none, from: a@example.com, to: [ops@example.com] }
  pager: { kind: betterstack, token: "\${BETTER}", requester: ops@example.com, heartbeat: "\${BEAT}", severities: [critical], api: "${better.origin}/api/v3" }
  errors: { kind: sentry, dsn: "\${DSN}" }
`;
  const env = { HOOK: slack.url, BETTER: better.token, BEAT: better.heartbeat, DSN: sentry.dsn };
  const world = await beginWorld(t, { sources: { shop: way.connection }, source: "policy: nightly", yaml, env });
  await world.expect(0, "backup", "--due");
  const backedUpAt = Date.now();
  const service = await beginServing(world);

  // The drill of the first Sunday was not done yet: it is done now, and its evidence makes the source green.
  assert.equal((await service.health("/api/health/db/shop", 200)).status, "ok");
  const drilled = await service.until(({ message, job }) => message === "drill begins" && typeof job === "string");
  await service.until(({ message, job }) => message === "the job is done" && job === drilled.job);
  const { lastDrill } = (await world.expect(0, "status", "--json")).json().sources[0];
  assert.equal(lastDrill.verdict, "pass");
  assert.deepEqual([slack.messages.length, better.incidents.length], [0, 0], "nothing is wrong");

  // Midnight comes while the server is away. The changed schedule is loaded without a restart.
  const { cron, slot } = cronAfter(Math.max(Date.now() + 8000, backedUpAt + TOLERANCE_MS));
  editConfig(world, (text) => text.replace(/policies: .*\n/, nightly(cron)));
  await service.until(({ message }) => message === "the configuration was loaded again");
  await way.cut();
  const key = `backup:shop:${slot}`;
  const failed = await service.until((line) => line.key === key && String(line.message).startsWith("work ended"));
  assert.equal(failed.code, "SOURCE_UNREACHABLE");
  await service.until(({ code, message }) => code === "LAST_BACKUP_FAILED" && String(message).startsWith("alert opened"));
  const red = await service.health("/api/health/db/shop", 503);
  assert.ok((red.codes as string[]).includes("LAST_BACKUP_FAILED"), JSON.stringify(red));
  assert.equal((await service.health("/api/health", 503)).verdict, "fail");
  const said = (about: string): boolean => JSON.stringify(slack.messages).includes(about);
  assert.ok(said("LAST_BACKUP_FAILED"), "Slack was told");
  assert.ok(
    mail.subjects.some((subject) => subject.includes("LAST_BACKUP_FAILED")),
    mail.subjects.join(),
  );
  assert.ok(better.incidents.some(({ attributes }) => String(attributes.name).includes("LAST_BACKUP_FAILED")));
  assert.ok([...sentry.events.values()].some((event) => JSON.stringify(event).includes("LAST_BACKUP_FAILED")));

  // The server is back: the same slot is served by the next attempt, once.
  await way.mend();
  await service.until((line) => line.key === key && line.message === "work ended: done");
  assert.equal((await service.health("/api/health", 200)).status, "ok");
  await service.until(({ code, message }) => code === "LAST_BACKUP_FAILED" && String(message).startsWith("alert closed"));
  assert.deepEqual(
    better.incidents.filter(({ attributes }) => attributes.resolved_at === null),
    [],
    "every incident is resolved",
  );
  const made = (await tiersOf(world)).filter(({ time }) => time >= slot);
  assert.deepEqual(
    made.map(({ tiers }) => tiers),
    [["daily"]],
  );
  assert.ok(better.beats.includes("ok") && better.beats.includes("fail"));
  await service.stop();
  await world.assertNothingLeft();
});

test("R24 the backup of a slot is made once, also when the service is killed in the middle of it", { skip }, async (t) => {
  const shop = await freshDatabase();
  await query(shop, "create table t as select generate_series(1, 200000) as id, repeat('x', 40) as filler");
  const yaml =
    'policies: { nightly: { backups: [{ tier: daily, cron: "0 0 * * *", keep: 30d }], expire: "0 4 1 1 *" } }\nserver: { beat: 1s, stopWithin: 6s }\n';
  const world = await beginWorld(t, { sources: { shop }, source: "policy: nightly", yaml });
  // Told to stop, it finishes the job or hands it back, and leaves nothing.
  const stopped = await beginServing(world);
  await stopped.until(({ message }) => message === "step dump");
  await stopped.stop();
  await world.assertNothingLeft();
  const before = (await tiersOf(world)).length;
  if (before > 0) editConfig(world, (text) => text.replace("tier: daily", "tier: nightly"));
  const first = await beginServing(world);
  const begun = await first.until(({ message }) => message === "step dump");
  first.kill("SIGKILL");
  await first.ended;
  const second = await beginServing(world);
  await second.until(({ message, key }) => message === "work ended: done" && String(key).startsWith("backup:"));
  second.kill("SIGKILL");
  await second.ended;
  const third = await beginServing(world);
  await third.health("/api/health", 200);
  assert.equal(third.lines.filter(({ message }) => message === "backup begins").length, 0);
  await third.stop();
  assert.equal((await tiersOf(world)).length, before + 1);
  const { jobs } = (await world.expect(0, "jobs", "--json")).json();
  assert.equal(jobs.find(({ id }: { id: string }) => id === begun.job).state, "failed");
  await world.assertNothingLeft();
});
