// Every channel over HTTP against a service on loopback that judges requests as the real one does, and that fails in each way.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { isLifeboatError } from "../../src/core/errors.ts";
import { makeNotifier as makeBetterStack } from "../../src/notify/betterstack/betterstack.ts";
import { makeNotifier as makeDiscord } from "../../src/notify/discord/discord.ts";
import { makeNotifier as makeHealthchecks } from "../../src/notify/healthchecks/healthchecks.ts";
import { makeNotifier as makePagerDuty } from "../../src/notify/pagerduty/pagerduty.ts";
import { makeNotifier as makeSentry } from "../../src/notify/sentry/sentry.ts";
import { makeNotifier as makeSlack } from "../../src/notify/slack/slack.ts";
import { makeNotifier as makeTeams } from "../../src/notify/teams/teams.ts";
import { makeNotifier as makeWebhook } from "../../src/notify/webhook/webhook.ts";
import type { Alert, AlertGroup, Notifier, Timeouts } from "../../src/ports/notifier.ts";
import {
  beginBetterStack,
  beginHealthchecks,
  beginPagerDuty,
  beginSentry,
  beginWebhook,
  ROUTING_KEY,
  WEBHOOK_SECRET,
} from "../support/notify/pagers.ts";
import { alertOf, hostileAlert, hugeAlert, type Peer, secret, wiringOf } from "../support/notify/peer.ts";
import { beginDiscord, beginSlack, beginTeams, type Room } from "../support/notify/rooms.ts";

const BETTER = { by: ["email", "push"] as const, requester: "ops@example.com" };

interface Ready {
  readonly peer: Peer;
  readonly notifier: Notifier;
  /** Texts of the configuration that no message may repeat. */
  readonly secrets: readonly string[];
}

type Begin = (t: TestContext, timeouts?: Timeouts) => Promise<Ready>;

const ROOMS: Readonly<Record<string, (t: TestContext, timeouts?: Timeouts) => Promise<Ready & { peer: Room }>>> = {
  slack: async (t, timeouts) => {
    const peer = await beginSlack(t);
    return { peer, notifier: makeSlack(wiringOf({ url: secret(peer.url) }, timeouts)), secrets: ["abcdefghijklmnop"] };
  },
  discord: async (t, timeouts) => {
    const peer = await beginDiscord(t);
    return { peer, notifier: makeDiscord(wiringOf({ url: secret(peer.url) }, timeouts)), secrets: ["abcdefghijklmnop"] };
  },
  teams: async (t, timeouts) => {
    const peer = await beginTeams(t);
    return { peer, notifier: makeTeams(wiringOf({ url: secret(peer.url) }, timeouts)), secrets: ["abcdefghijklmnop", "secret-signature"] };
  },
};

const SERVICES: Readonly<Record<string, Begin>> = {
  ...ROOMS,
  webhook: async (t, timeouts) => {
    const peer = await beginWebhook(t);
    const options = { url: secret(peer.url), secret: secret(WEBHOOK_SECRET) };
    return { peer, notifier: makeWebhook(wiringOf(options, timeouts)), secrets: ["querytoken0123", WEBHOOK_SECRET] };
  },
  betterstack: async (t, timeouts) => {
    const peer = await beginBetterStack(t);
    const options = { ...BETTER, token: secret(peer.token), api: `${peer.origin}/api/v3` };
    return { peer, notifier: makeBetterStack(wiringOf(options, timeouts)), secrets: [peer.token] };
  },
  sentry: async (t, timeouts) => {
    const peer = await beginSentry(t);
    const options = { dsn: secret(peer.dsn), environment: "production" };
    return { peer, notifier: makeSentry(wiringOf(options, timeouts)), secrets: ["0123456789abcdef0123456789abcdef"] };
  },
  pagerduty: async (t, timeouts) => {
    const peer = await beginPagerDuty(t);
    const options = { routingKey: secret(ROUTING_KEY), events: peer.origin };
    return { peer, notifier: makePagerDuty(wiringOf(options, timeouts)), secrets: [ROUTING_KEY] };
  },
};

async function failureOf(work: Promise<void> | undefined): Promise<{ readonly code: string; readonly message: string }> {
  try {
    await work;
  } catch (error) {
    if (isLifeboatError(error)) return error;
    throw error;
  }
  return assert.fail("nothing failed");
}

for (const [name, begin] of Object.entries(SERVICES)) {
  test(`R37 ${name} takes each event of an alert, with names of any kind and texts of any length`, async (t) => {
    const { notifier } = await begin(t);
    for (const make of [alertOf, hostileAlert, hugeAlert])
      for (const event of ["opened", "reminder", "closed", "test"] as const) await notifier.send?.(make({ event }));
    await notifier.send?.(alertOf({ source: null, next: undefined, link: undefined, message: "" }));
  });

  test(`R37 ${name}: a busy service is asked again, a permanent refusal is not, and no message holds a secret`, async (t) => {
    const { notifier, peer, secrets } = await begin(t);
    const said = (text: string) => `${text} ${secrets.join(" ")} ${peer.received.at(-1)?.url.pathname ?? ""}`;
    let made = 0;
    const another = () => alertOf({ identity: `BACKUP_OVERDUE/shop${made++}` });

    peer.faults.push({ status: 503 }, "drop");
    await notifier.send?.(another());
    assert.ok(peer.received.length >= 3, "the third attempt arrived");

    peer.faults.push({ status: 429, headers: { "retry-after": "0" } });
    await notifier.send?.(another());

    const before = peer.received.length;
    peer.faults.push({ status: 429, headers: { "retry-after": "3600" }, body: said("slow down") });
    const busy = await failureOf(notifier.send?.(another()));
    assert.equal(busy.code, "NOTIFY_FAILED");
    assert.equal(peer.received.length, before + 1, "an hour is not waited for");

    peer.faults.push({ status: 400, body: said("invalid\r\n\u001b[31m") });
    const refused = await failureOf(notifier.send?.(another()));
    assert.equal(refused.code, "NOTIFY_REFUSED");
    assert.match(refused.message, /^channel "team" answered 400 Bad Request: invalid/);
    assert.equal(peer.received.length, before + 2, "asked once");

    peer.faults.push({ status: 307, headers: { location: "http://127.0.0.1:1/elsewhere" } });
    assert.equal((await failureOf(notifier.send?.(another()))).code, "NOTIFY_REFUSED", "a redirect is not followed");
    assert.equal(peer.received.length, before + 3);

    for (const one of secrets) for (const { message } of [busy, refused]) assert.ok(!message.includes(one), message);
  });

  test(`R37 ${name}: a service that hangs ends at the deadline, and an abort ends at once with its reason`, async (t) => {
    const { notifier, peer } = await begin(t, { requestMs: 100, totalMs: 1000, pauseMs: 1, attempts: 2 });
    peer.faults.push("hang", "hang");
    const hung = await failureOf(notifier.send?.(alertOf()));
    assert.deepEqual([hung.code, hung.message], ["NOTIFY_FAILED", 'channel "team" did not answer within 0.1 s']);

    const before = peer.received.length;
    const reason = new Error("stopped");
    await assert.rejects(async () => notifier.send?.(alertOf(), { signal: AbortSignal.abort(reason) }), reason);
    assert.equal(peer.received.length, before, "nothing was sent");
  });
}

/** The field of which a pager, a lock screen or a list shows one line. */
const ONE_LINE = { slack: "text", discord: "content", teams: "fallbackText", betterstack: "summary", pagerduty: "summary" } as const;

for (const [name, field] of Object.entries(ONE_LINE)) {
  test(`R37 ${name}: the one line that a pager shows says what happened, and not only its code`, async (t) => {
    const { notifier, peer } = (await SERVICES[name]?.(t)) ?? assert.fail();
    await notifier.send?.(alertOf({ title: "BACKUP_OVERDUE", message: "shop: the newest backup is 26h old" }));
    const shown = (event: string): string => {
      const body = peer.received.map((one) => one.body).findLast((one) => one.includes(`"${field}":"${event}`)) ?? assert.fail();
      return new RegExp(`"${field}":"([^"]*)"`).exec(body)?.[1]?.replaceAll("\\", "") ?? "";
    };
    assert.equal(shown("CRITICAL"), "CRITICAL shop: the newest backup is 26h old (BACKUP_OVERDUE)");
    await notifier.send?.(alertOf({ event: "test", identity: "test/team", title: "Test of a channel", message: "Alerts reach it." }));
    assert.equal(shown("TEST"), "TEST Alerts reach it. (Test of a channel)");
  });
}

for (const [name, begin] of Object.entries(ROOMS)) {
  test(`R37 ${name}: names of a source notify no one and are not read as markup`, async (t) => {
    const { notifier, peer } = await begin(t);
    await notifier.send?.(hostileAlert());
    await notifier.send?.(hugeAlert());
    assert.equal(peer.messages.length, 2);
    assert.deepEqual(peer.mentions, []);
    const [first] = peer.messages;
    assert.match(JSON.stringify(first), /Bcc: eve@|Bcc\\\\: eve@/, "the text is there");
    assert.doesNotMatch(JSON.stringify(first), /\u202e|<script>/);
  });
}

/** As a beat makes one: the most severe first. */
const groupOf = (alerts: readonly Alert[], event: AlertGroup["event"] = "opened"): AlertGroup => ({
  event,
  alerts,
  at: new Date("2026-11-28T02:00:00.000Z"),
  next: "lifeboat status",
});

for (const [name, begin] of Object.entries(ROOMS)) {
  test(`R36 R37 ${name}: many alerts are one message with their count, the worst first, and the next step`, async (t) => {
    const { notifier, peer } = await begin(t);
    const down = Array.from({ length: 900 }, (_, index) =>
      alertOf({ code: "SOURCE_UNREACHABLE", source: `s${index}`, message: `s${index}: connection refused` }),
    );
    const late = alertOf({ code: "NEVER_VERIFIED", severity: "warning", message: "shop: no restore point was ever verified" });
    await notifier.sendGroup?.(groupOf([...down, late]));
    const [message] = peer.messages;
    const text = JSON.stringify(message).replaceAll("\\", "");
    assert.match(text, /CRITICAL 901 alerts of 901 sources: SOURCE_UNREACHABLE \(900\), NEVER_VERIFIED \(1\)/);
    assert.match(
      text,
      /critical SOURCE_UNREACHABLE, 900 alerts: s0, s1, .*s9 and 890 more.*s0: connection refused.*warning NEVER_VERIFIED: shop: no/,
    );
    assert.match(text, /next: `?lifeboat status/);

    await notifier.sendGroup?.(groupOf([...down, late], "closed"));
    const over = JSON.stringify(peer.messages[1]).replaceAll("\\", "");
    assert.match(over, /OVER 901 alerts of 901 sources/);
    assert.doesNotMatch(over, /next:/);

    // Names and texts of any kind and length, and as many codes as do not fit.
    const codes = Array.from({ length: 300 }, (_, index) => hugeAlert({ source: null, code: `CODE_${index}` }));
    await notifier.sendGroup?.(groupOf([...codes, hostileAlert(), hostileAlert(), hugeAlert(), hugeAlert()]));
    await notifier.sendGroup?.(groupOf(Array.from({ length: 6 }, () => hostileAlert())));
    assert.match(JSON.stringify(peer.messages[2]), /and \d+ more alerts/);
    assert.equal(peer.messages.length, 4);
    assert.deepEqual(peer.mentions, []);
    assert.doesNotMatch(JSON.stringify(peer.messages), /\u202e|<script>/);
  });
}

test("R36 R37 services that keep an incident or an event for each alert take no groups", async (t) => {
  for (const name of ["webhook", "betterstack", "sentry", "pagerduty"])
    assert.equal((await (SERVICES[name] as Begin)(t)).notifier.sendGroup, undefined, name);
});

test("R37 an endless answer is not read to its end", async (t) => {
  const peer = await beginSlack(t);
  peer.faults.push("endless");
  await makeSlack(wiringOf({ url: secret(peer.url) })).send?.(alertOf());
});

test("R37 Discord confirms the message, posts into a thread, and its pause in the body is honoured", async (t) => {
  const peer = await beginDiscord(t);
  const notifier = makeDiscord(wiringOf({ url: secret(peer.url), threadId: "77" }));
  peer.faults.push({ status: 429, body: '{"message":"You are being rate limited.","retry_after":0.001,"global":false}' });
  await notifier.send?.(alertOf());
  assert.equal(peer.received.length, 2);
  assert.equal(peer.received[1]?.url.search, "?wait=true&thread_id=77");
  peer.faults.push({ status: 429, body: '{"retry_after":4000}' });
  assert.equal((await failureOf(notifier.send?.(alertOf()))).code, "NOTIFY_FAILED");
});

test("R37 a webhook is signed for each attempt under one id, by the old secret too", async (t) => {
  const peer = await beginWebhook(t);
  const younger = secret(`whsec_${Buffer.alloc(32, 7).toString("base64")}`);
  const notifier = makeWebhook(wiringOf({ url: secret(peer.url), secret: younger, previousSecret: secret(WEBHOOK_SECRET) }));
  peer.faults.push({ status: 502 });
  await notifier.send?.(alertOf());
  assert.equal(peer.received.length, 2);
  assert.equal(peer.deliveries.size, 1);
  assert.equal(new Set(peer.received.map(({ headers }) => headers["webhook-id"])).size, 1);
  await notifier.send?.(alertOf({ event: "closed" }));
  assert.deepEqual(
    [...peer.deliveries.values()].map(({ type }) => type),
    ["alert.opened", "alert.closed"],
  );
  const stranger = makeWebhook(wiringOf({ url: secret(peer.url), secret: younger }));
  assert.equal((await failureOf(stranger.send?.(alertOf()))).message, 'channel "team" answered 401 Unauthorized: no signature matches');
});

test("R37 PagerDuty has one incident for all events of an alert, and none after its end or a test", async (t) => {
  const { peer, notifier } = await (SERVICES.pagerduty as Begin)(t);
  const { open, actions } = peer as Awaited<ReturnType<typeof beginPagerDuty>>;
  await notifier.send?.(alertOf());
  await notifier.send?.(alertOf({ event: "reminder" }));
  assert.deepEqual([...open.keys()], ["BACKUP_OVERDUE/shop"]);
  assert.equal(open.get("BACKUP_OVERDUE/shop")?.severity, "critical");
  await notifier.send?.(alertOf({ event: "closed" }));
  assert.equal(open.size, 0);
  await notifier.send?.(alertOf({ event: "test", identity: "test/team" }));
  assert.equal(open.size, 0);
  assert.deepEqual(actions.slice(-2), ["trigger test/team", "resolve test/team"]);
  await notifier.send?.(hugeAlert());
  await notifier.send?.(hugeAlert({ event: "closed" }));
  assert.equal(open.size, 0, "a key that is too long is shortened to the same one");
});

test("R37 Better Stack has one incident for all events of an alert, also when an answer was lost", async (t) => {
  const { peer, notifier } = await (SERVICES.betterstack as Begin)(t);
  const { incidents, token } = peer as Awaited<ReturnType<typeof beginBetterStack>>;
  const openOnes = () => incidents.filter(({ attributes }) => attributes.resolved_at === null);
  await notifier.send?.(alertOf());
  await notifier.send?.(alertOf());
  await notifier.send?.(alertOf({ event: "reminder" }));
  await notifier.send?.(alertOf({ identity: "other" }));
  assert.equal(openOnes().length, 2);
  assert.deepEqual([incidents[0]?.attributes.email, incidents[0]?.attributes.call], [true, false]);
  await notifier.send?.(alertOf({ event: "closed" }));
  await notifier.send?.(alertOf({ event: "closed" }));
  assert.deepEqual(openOnes().length, 1, "the other alert stays open");
  await notifier.send?.(alertOf({ event: "test", identity: "test" }));
  assert.equal(openOnes().length, 1, "a test is resolved at once");
  const { attributes } = incidents.at(-1) ?? assert.fail();
  assert.deepEqual([attributes.email, attributes.push, attributes.call, attributes.sms], [false, false, false, false], "and pages no one");
  const others = Array.from({ length: 60 }, (_, index) => ({ id: `${index}`, attributes: { name: `x${index}`, resolved_at: null } }));
  incidents.unshift(...others);
  const restarted = makeBetterStack(wiringOf({ ...BETTER, token: secret(token), api: `${peer.origin}/api/v3` }));
  await restarted.send?.(alertOf({ event: "closed", identity: "other" }));
  assert.equal(openOnes().length, 60, "found on the second page");
});

test("R37 Better Stack keeps one incident for each of 300 alerts, and reads the list of open ones once", async (t) => {
  const { peer, notifier } = await (SERVICES.betterstack as Begin)(t);
  const { incidents, token } = peer as Awaited<ReturnType<typeof beginBetterStack>>;
  const openOnes = () => incidents.filter(({ attributes }) => attributes.resolved_at === null);
  const all = async (event: "opened" | "reminder" | "closed", by: Notifier) => {
    for (let index = 0; index < 300; index++) await by.send?.(alertOf({ event, identity: `BACKUP_OVERDUE/s${index}` }));
  };
  await all("opened", notifier);
  await all("reminder", notifier);
  assert.equal(openOnes().length, 300);
  assert.equal(peer.received.filter(({ method }) => method === "GET").length, 1);
  const restarted = makeBetterStack(wiringOf({ ...BETTER, token: secret(token), api: `${peer.origin}/api/v3` }));
  await all("closed", restarted);
  assert.equal(openOnes().length, 0, "each is found again and resolved");
  assert.equal(peer.received.filter(({ method }) => method === "GET").length, 1 + 7, "seven pages of 50");
});

test("R37 Sentry groups the events of an alert, keeps one copy of each, and its length counts bytes", async (t) => {
  const { peer, notifier } = await (SERVICES.sentry as Begin)(t);
  const { events } = peer as Awaited<ReturnType<typeof beginSentry>>;
  const opened = alertOf({ message: "naïve 😀" });
  await notifier.send?.(opened);
  await notifier.send?.(opened);
  await notifier.send?.(alertOf({ event: "reminder", at: new Date("2026-11-28T08:00:00Z") }));
  await notifier.send?.(alertOf({ event: "closed" }));
  const all = [...events.values()];
  assert.deepEqual(
    all.map(({ level, fingerprint }) => [level, fingerprint]),
    [
      ["error", ["lifeboat", "BACKUP_OVERDUE/shop"]],
      ["error", ["lifeboat", "BACKUP_OVERDUE/shop"]],
      ["info", ["lifeboat", "BACKUP_OVERDUE/shop", "closed"]],
    ],
  );
});

test("R38 heartbeats of Better Stack, Sentry and Healthchecks report ok and fail", async (t) => {
  const better = await beginBetterStack(t);
  const only = makeBetterStack(wiringOf({ ...BETTER, heartbeat: secret(better.heartbeat), api: better.origin }));
  assert.equal(only.send, undefined, "without a token it takes no alerts");
  const sentry = await beginSentry(t);
  const options = { dsn: secret(sentry.dsn), environment: "staging", monitor: "lifeboat", everyMs: 300_000 };
  const checks = await beginHealthchecks(t);
  const silent = makeHealthchecks(wiringOf({ url: secret(checks.url) }));
  assert.equal(silent.send, undefined);
  for (const notifier of [only, makeSentry(wiringOf(options)), silent]) {
    better.faults.push({ status: 500 });
    await notifier.heartbeat?.("ok");
    await notifier.heartbeat?.("fail");
  }
  assert.deepEqual(better.beats, ["ok", "fail"]);
  assert.deepEqual(checks.pings, ["success", "fail"]);
  assert.deepEqual(
    sentry.checkIns.map(({ status, environment }) => [status, environment]),
    [
      ["ok", "staging"],
      ["error", "staging"],
    ],
  );
  assert.deepEqual(sentry.checkIns[0]?.monitor_config, {
    schedule: { type: "interval", value: 5, unit: "minute" },
    checkin_margin: 1,
    failure_issue_threshold: 1,
    recovery_threshold: 1,
  });
  const gone = makeHealthchecks(wiringOf({ url: secret(`${checks.origin}/unknown`) }));
  assert.equal((await failureOf(gone.heartbeat?.("ok"))).code, "NOTIFY_REFUSED");
});
