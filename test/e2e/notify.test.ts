// Notification channels as users set them up: the configuration, `check`, `notify test`, and the examples of docs/notifications.md.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parseConfig } from "../../src/config/load.ts";
import { isLifeboatError } from "../../src/core/errors.ts";
import { beginHealthchecks, beginPagerDuty, ROUTING_KEY } from "../support/notify/pagers.ts";
import { beginSlack } from "../support/notify/rooms.ts";
import { beginWorld } from "../support/program.ts";

const PLACE = `version: 1
repository: { url: "file:///r", encryption: { recipients: [age1${"q".repeat(58)}] } }
sources: { shop: { provider: postgres, url: "postgres://h/shop" } }
`;

const parse = (yaml: string, env: Readonly<Record<string, string>> = {}) =>
  parseConfig(`${PLACE}${yaml}`, { file: "/lifeboat.yaml", cwd: "/", env });

function refused(channel: string, env: Readonly<Record<string, string>> = {}): string {
  try {
    parse(`notify:\n  team: ${channel}\n`, env);
  } catch (error) {
    if (isLifeboatError(error, "CONFIG_INVALID")) return error.message;
    throw error;
  }
  return assert.fail(`nothing was refused in ${channel}`);
}

test("R37 every example of docs/notifications.md is a valid configuration, and each kind has one", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/notifications.md"), "utf8");
  const examples = [...page.matchAll(/^```yaml\n(.*?)^```/gms)].map(([, yaml = ""]) => yaml);
  const kinds = new Set<string>();
  for (const yaml of examples) {
    const { notify, descriptors } = parse(yaml);
    for (const { kind } of Object.values(notify)) kinds.add(kind);
    assert.equal(descriptors.notifiers.length, 9);
  }
  assert.equal(kinds.size, 9);
});

test("R37 a channel's wrong options are named at their place, and no message repeats a secret", () => {
  assert.match(refused("{ kind: slak, url: x }"), /not "slak"; did you mean "slack"\?/);
  assert.match(refused("{ kind: slack }"), /notify\.team: kind slack needs url/);
  assert.match(refused("{ kind: slack, url: 'https://h/x', routingKey: y }"), /kind slack has no option routingKey/);
  assert.match(refused("{ kind: slack, url: 'https://h/x', sources: [shpo] }"), /no source is called "shpo"; did you mean "shop"/);
  assert.match(refused("{ kind: slack, url: 'https://h/x', severities: [urgent] }"), /must be one of critical, warning, info/);
  assert.match(refused("{ kind: slack, url: 'https://h/x', quiet: '22-7' }"), /quiet is wrong: "22-7" is not a time of day/);
  assert.match(refused("{ kind: betterstack }"), /give heartbeat, or token and requester/);
  assert.match(refused("{ kind: email, host: h, from: a@b, to: [] }"), /must name a recipient/);
  assert.match(refused('{ kind: email, host: h, from: "a@b\\r\\nBcc: c@d", to: [e@f] }'), /must be one email address/);
  assert.match(refused("{ kind: email, host: h, tls: none, user: u, password: pw12, from: a@b, to: [e@f] }"), /unencrypted/);
  for (const channel of [
    "{ kind: slack, url: http://hooks.example.com/services/s3cr3tpath }",
    "{ kind: slack, url: s3cr3tpath }",
    "{ kind: pagerduty, routingKey: s3cr3tpath }",
    "{ kind: sentry, dsn: https://example.com/s3cr3tpath }",
    "{ kind: webhook, url: https://h/x, secret: whsec_s3cr3tpath }",
  ])
    assert.doesNotMatch(refused(channel), /s3cr3t/, channel);
  assert.doesNotMatch(refused(`{ kind: slack, url: '\${HOOK}' }`, { HOOK: "ftp://s3cr3tpath" }), /s3cr3t/);
});

test("R37 notify test reports each channel, and check names those that cannot work", async (t) => {
  const [slack, pager, beats] = [await beginSlack(t), await beginPagerDuty(t), await beginHealthchecks(t)];
  const yaml = `notify:
  team: { kind: slack, url: "\${HOOK}" }
  gone: { kind: slack, url: "${slack.origin}/services/gone-secret" }
  pager: { kind: pagerduty, routingKey: "\${KEY}", events: "${pager.origin}", sources: [shop] }
  deadman: { kind: healthchecks, url: "${beats.url}" }
  unset: { kind: slack, url: "\${NOT_SET}" }
`;
  const sources = { shop: { url: "postgres://127.0.0.1:1/shop", label: "shop" } };
  const world = await beginWorld(t, { sources, yaml, env: { HOOK: slack.url, KEY: ROUTING_KEY } });

  const all = await world.expect(1, "notify", "test", "--json");
  assert.deepEqual(
    all.json().channels.map(({ channel, outcome, code }: Record<string, string>) => [channel, outcome, code]),
    [
      ["team", "sent", null],
      ["gone", "refused", "NOTIFY_REFUSED"],
      ["pager", "sent", null],
      ["deadman", "sent", null],
      ["unset", "refused", "SECRET_MISSING"],
    ],
  );
  assert.equal(slack.messages.length, 1);
  assert.deepEqual([pager.open.size, pager.actions.length, beats.pings.join()], [0, 2, "success"]);

  const text = await world.expect(1, "notify", "test", "gone");
  assert.match(text.stdout, /gone \(slack\) refused: channel "gone" answered 404 Not Found: no_service\n {4}next: /);
  assert.doesNotMatch(text.stdout + text.stderr, /gone-secret/);
  await world.expect(0, "notify", "test", "team");
  const unknown = await world.expect(2, "notify", "test", "tema", "--json");
  assert.equal(unknown.code, "CHANNEL_UNKNOWN");
  assert.match(unknown.message ?? "", /did you mean "team"/);

  const { findings } = (await world.run("check", "--json")).json();
  const found = (name: string) => findings.find((finding: { name: string }) => finding.name === name);
  assert.deepEqual([found("channel team").outcome, found("channel unset").outcome], ["pass", "fail"]);
  assert.equal(found("channel unset").code, "SECRET_MISSING");
  assert.match(found("channel deadman").message, /the heartbeat, and no alerts/);
  assert.equal(found("channels"), undefined, "critical alerts of shop are heard");
});
