// Attacks on how people and programs prove who they are: sessions, forged requests, sign-in, the proxy's header, limits.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { People } from "../../src/repository/people.ts";
import { systemClock } from "../../src/system-clock.ts";
import { beginOidcProvider } from "../support/oidc-provider.ts";
import { beginWorld, editConfig, type World } from "../support/program.ts";
import { beginService, type TestService } from "../support/service.ts";

const ORIGIN = "https://lifeboat.test";
/** What the dashboard sends with a change. */
const OWN = { origin: ORIGIN, "x-lifeboat": "1" };

const worldWith = (t: TestContext, people: string, env: Readonly<Record<string, string>> = {}): Promise<World> =>
  beginWorld(t, { sources: { shop: { url: "postgres://u:pw@127.0.0.1:1/shop", label: "shop" } }, yaml: `people: ${people}\n`, env });

async function withPeople(world: World, act: (people: People) => void): Promise<void> {
  const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
  const context = await compose(config, { clock: systemClock, lifeboat: "test", env: world.env });
  act(context.people);
  await context.close();
}

// biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
const jsonOf = async (response: Response | Promise<Response>): Promise<any> => (await response).json();

/** The cookies that a response sets, as a browser sends them back. */
const cookiesOf = (response: Response): string =>
  response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";")[0])
    .filter((cookie) => !cookie?.endsWith("="))
    .join("; ");

const signIn = (service: TestService, token: string, headers: Readonly<Record<string, string>> = OWN): Promise<Response> =>
  service.ask("/api/session", { method: "POST", body: { token }, headers });

test("R45 a session is new at each sign-in; sign-out, idleness, age and the end of its token end it", async (t) => {
  const world = await worldWith(t, `{ publicUrl: "${ORIGIN}" }`);
  const service = await beginService(world);
  const token = await service.token(["operator"], { name: "ci" });
  const state = async (cookie: string): Promise<number> => (await service.ask("/api/session", { headers: { cookie } })).status;

  const first = await signIn(service, token);
  const cookie = cookiesOf(first);
  assert.equal(first.status, 204);
  assert.match(
    first.headers.get("set-cookie") ?? "",
    /^__Host-lifeboat=lbs_[0-9a-f]{16}_[\w-]{43}; Max-Age=\d+; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
  );
  assert.equal(await state(cookie), 200);

  const planted = `__Host-lifeboat=lbs_${"a".repeat(16)}_${"B".repeat(43)}`;
  const second = await signIn(service, token, { ...OWN, cookie: planted });
  assert.notEqual(cookiesOf(second), planted, "a planted session is not taken over");
  assert.equal(await state(planted), 401);
  const third = await signIn(service, token, { ...OWN, cookie });
  assert.equal(await state(cookie), 401, "the session from before the sign-in has ended");

  const out = cookiesOf(third);
  assert.equal((await service.ask("/api/session", { method: "DELETE", headers: { ...OWN, cookie: out } })).status, 204);
  assert.equal(await state(out), 401, "a cookie that was signed out is worth nothing");

  const past = new Date(Date.now() - 31 * 60_000);
  const later = new Date(Date.now() + 3_600_000);
  let made: readonly string[] = [];
  await withPeople(world, (people) => {
    const person = { kind: "token", name: "ci", tokenId: people.tokens()[0]?.id } as const;
    const texts = [
      people.beginSession({ ...person, createdAt: past, endsAt: later }, randomBytes).text,
      people.beginSession({ ...person, createdAt: new Date(), endsAt: new Date(Date.now() - 1000) }, randomBytes).text,
    ];
    made = texts.map((text) => `__Host-lifeboat=${text}`);
  });
  assert.deepEqual(await Promise.all(made.map(state)), [401, 401], "idle for too long, and too old");

  const last = cookiesOf(second);
  assert.equal(await state(last), 200, await (await service.ask("/api/session", { headers: { cookie: last } })).text());
  await world.expect(0, "token", "revoke", "ci");
  assert.equal(await state(last), 401, "the token is revoked");
  assert.equal((await signIn(service, token)).status, 401);
  const { entries } = (await world.expect(0, "audit", "--event", "token", "--json")).json();
  assert.deepEqual([entries.length, entries[0].operation], [1, "token revoke"], "the audit log has it");
  assert.doesNotMatch(service.lines.join("\n"), /lb[ts]_/, "no token and no session is logged");
});

test("R45 a page of another site changes nothing with the cookie of a person, and signs no one in", async (t) => {
  const world = await worldWith(t, `{ publicUrl: "${ORIGIN}" }`);
  const service = await beginService(world);
  const token = await service.token(["approver"]);
  const cookie = cookiesOf(await signIn(service, token));
  const pause = (headers: Readonly<Record<string, string>>): Promise<Response> =>
    service.ask("/api/pause", { method: "POST", body: { source: "shop" }, headers: { cookie, ...headers } });
  const forged: Readonly<Record<string, Readonly<Record<string, string>>>> = {
    "without an origin": { "x-lifeboat": "1" },
    "without our header, as a form": { origin: ORIGIN },
    "from another site": { ...OWN, origin: "https://evil.example" },
    "from a sandboxed frame": { ...OWN, origin: "null" },
    "from a site that begins alike": { ...OWN, origin: `${ORIGIN}.evil.example` },
    "from a sibling domain": { ...OWN, "sec-fetch-site": "same-site" },
    "across sites": { ...OWN, "sec-fetch-site": "cross-site" },
  };
  for (const [what, headers] of Object.entries(forged)) {
    assert.equal((await pause(headers)).status, 403, what);
    assert.equal((await signIn(service, token, headers)).status, 403, `sign-in ${what}`);
  }
  assert.equal((await pause({ ...OWN, "sec-fetch-site": "same-origin" })).status, 202);
  assert.equal((await service.ask("/api/jobs", { headers: { cookie } })).status, 200);

  const { hostname, port } = new URL(service.url);
  const rebound = request({ hostname, port, path: "/api/session", headers: { host: "evil.example", authorization: `Bearer ${token}` } });
  rebound.end();
  const [answer] = await once(rebound, "response");
  assert.equal(answer.statusCode, 403, "a name that an attacker points at this machine is not ours");
  answer.resume();
});

test("R45 a service without a public address takes the origin of its own page alone, and never none", async (t) => {
  const service = await beginService(await worldWith(t, "{}"));
  const token = await service.token(["operator"]);
  const own = { origin: service.url, "x-lifeboat": "1" };
  const cookie = cookiesOf(await signIn(service, token, own));
  const resume = (headers: Readonly<Record<string, string>>): Promise<Response> =>
    service.ask("/api/resume", { method: "POST", body: { source: "shop" }, headers: { cookie, ...headers } });
  for (const headers of [{ "x-lifeboat": "1" }, { ...own, origin: "null" }, { ...own, origin: "http://127.0.0.1:1" }]) {
    assert.equal((await signIn(service, token, headers as Record<string, string>)).status, 403, JSON.stringify(headers));
    assert.equal((await resume(headers as Record<string, string>)).status, 403, JSON.stringify(headers));
  }
  const answer = await resume(own);
  assert.equal(answer.status, 202, await answer.text());
});

test("R45 sign-in with OpenID Connect maps groups to roles, and refuses every answer that is not its own", async (t) => {
  const provider = await beginOidcProvider(t);
  const { issuer, clientId, clientSecret } = provider;
  const oidc = `{ issuer: "${issuer}", clientId: ${clientId}, clientSecret: "\${OIDC_SECRET}", roles: { restorer: [dba], viewer: ["*"] } }`;
  const peopleWith = (of: string): string => `{ publicUrl: "${ORIGIN}", signInsPerMinute: 1000, oidc: ${of} }`;
  const world = await worldWith(t, peopleWith(oidc), { OIDC_SECRET: clientSecret });
  const service = await beginService(world);
  const begin = async () => {
    const begun = await service.ask("/api/session/oidc");
    assert.equal(begun.status, 303, await begun.text());
    assert.match(begun.headers.get("set-cookie") ?? "", /; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
    return { back: provider.signIn(begun.headers.get("location") ?? ""), cookie: cookiesOf(begun) };
  };
  const end = ({ back, cookie }: { readonly back: URL; readonly cookie: string }): Promise<Response> =>
    service.ask(`${back.pathname}${back.search}`, { headers: { cookie } });

  const flow = await begin();
  assert.equal(flow.back.origin, ORIGIN);
  const done = await end(flow);
  assert.deepEqual([done.status, done.headers.get("content-security-policy")], [200, "default-src 'none'"]);
  const session = cookiesOf(done);
  const me = await jsonOf(service.ask("/api/session", { headers: { cookie: session } }));
  assert.deepEqual(me, { ...me, kind: "person", name: "alice@example.com", roles: ["viewer", "restorer"], way: "session" });
  assert.equal((await end(flow)).status, 401, "the answer is not accepted twice");

  // What a group may do is asked of the configuration with each request. A session of a provider that is gone has ended.
  const reload = async (people: string): Promise<void> => {
    const seen = service.lines.length;
    editConfig(world, (text) => text.replace(/^people: .*$/m, () => `people: ${people}`));
    while (!service.lines.slice(seen).some((line) => line.includes("the configuration was loaded again"))) await sleep(50);
  };
  await reload(peopleWith(oidc.replace("[dba]", "[others]")));
  assert.deepEqual((await jsonOf(service.ask("/api/session", { headers: { cookie: session } }))).roles, ["viewer"]);
  await reload(`{ publicUrl: "${ORIGIN}" }`);
  assert.equal((await service.ask("/api/session", { headers: { cookie: session } })).status, 401, "it is gone");
  await reload(peopleWith(oidc));

  const stolen = await begin();
  assert.equal((await end({ ...stolen, cookie: "" })).status, 401, "another browser does not get the session");
  const crossed = [await begin(), await begin()];
  assert.equal(
    (await end({ back: crossed[0]?.back ?? assert.fail(), cookie: crossed[1]?.cookie ?? "" })).status,
    401,
    "of another sign-in",
  );
  const lies: readonly (typeof provider.lies)[] = [
    { foreignKey: true },
    { nonce: "other" },
    { audience: "another-client" },
    { expired: true },
  ];
  for (const lie of lies) {
    provider.lies = lie;
    const refused = await end(await begin());
    assert.deepEqual([refused.status, cookiesOf(refused)], [401, ""], JSON.stringify(lie));
  }
  provider.lies = {};
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, string, readonly string[]])[] = [
    [{ sub: "s-2", email: "mallory@example.com", email_verified: false, groups: "dba " }, "s-2", ["viewer"]],
    [{ sub: "s-3", groups: [{ name: "dba" }, 7] }, "s-3", ["viewer"]],
  ];
  for (const [person, name, roles] of cases) {
    provider.person = person;
    const cookie = cookiesOf(await end(await begin()));
    const caller = await jsonOf(service.ask("/api/session", { headers: { cookie } }));
    assert.deepEqual(caller, { ...caller, name, roles });
  }
  assert.doesNotMatch(service.lines.join("\n"), new RegExp(`${clientSecret}|lbs_`));
});

test("R45 the header of a proxy counts only from its address, and too many requests are refused", async (t) => {
  const world = await worldWith(t, "{ signInsPerMinute: 3, requestsPerMinute: 20, proxy: { addresses: [10.9.9.9], userHeader: X-User } }");
  const service = await beginService(world);
  const asProxy = { "x-user": "root", "x-groups": "dba", "x-forwarded-for": "10.9.9.9" };
  assert.equal((await service.ask("/api/session", { headers: asProxy })).status, 401, "we are not the proxy");

  const token = await service.token(["viewer"]);
  const wrong = `lbt_${"0".repeat(16)}_${"A".repeat(43)}`;
  const ask = (of: string, count: number): Promise<Response[]> =>
    Promise.all(Array.from({ length: count }, () => service.ask("/api/session", { token: of })));
  // Many more than the limit, for it grows again while a slow machine answers.
  const attempts = await ask(wrong, 15);
  assert.ok(attempts.every(({ status }) => [401, 429].includes(status)));
  const limited = attempts.find(({ status }) => status === 429) ?? assert.fail("no attempt was refused");
  assert.ok(Number(limited.headers.get("retry-after")) >= 1);
  assert.equal((await service.ask("/api/session", { token })).status, 200, "wrong tokens of others do not lock out a right one");
  const many = await ask(token, 60);
  assert.ok(many.some(({ status }) => status === 429) && many.every(({ status }) => [200, 429].includes(status)));
  await service.end();

  const proxy = "proxy: { addresses: [127.0.0.1], userHeader: X-User, groupsHeader: X-Groups, roles: { approver: [dba] } }";
  editConfig(world, (text) => text.replace(/^people: .*$/m, `people: { publicUrl: "${ORIGIN}", ${proxy} }`));
  const behind = await beginService(world);
  const me = await jsonOf(behind.ask("/api/session", { headers: { ...asProxy, "x-forwarded-for": "192.0.2.7" } }));
  assert.deepEqual(me, { ...me, kind: "person", name: "root", roles: ["approver"], way: "proxy" });
  const forged = await behind.ask("/api/pause", { method: "POST", body: { source: "shop" }, headers: asProxy });
  assert.equal(forged.status, 403, "a browser behind the proxy is protected against forged requests too");
  const own = await behind.ask("/api/pause", {
    method: "POST",
    body: { source: "shop" },
    headers: { ...asProxy, ...OWN, "x-forwarded-for": "192.0.2.7" },
  });
  assert.deepEqual([own.status, (await jsonOf(own)).actor.from], [202, "192.0.2.7"]);
});

test("R45 the service listens for other machines only behind TLS, and compares secrets in constant time", async (t) => {
  const world = await worldWith(t, "{}");
  const refused = await world.expect(2, "serve", "--host", "0.0.0.0", "--port", "0");
  assert.match(refused.stderr, /error USAGE {2}the service cannot listen at 0\.0\.0\.0/);
  const source = readFileSync(join(import.meta.dirname, "../../src/repository/people.ts"), "utf8");
  assert.match(source, /timingSafeEqual\(stored, digestOf\(text\)\)/);
  assert.doesNotMatch(source, /digest\w* [!=]==|where digest/);
});
