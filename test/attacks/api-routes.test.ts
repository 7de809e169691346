// Every route of the service, for callers who may not use it: they get nothing.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import { type Access, mayDo, ROLE_NAMES } from "../../src/core/people.ts";
import { apiOperations } from "../../src/server/api/operations.ts";
import { createApp } from "../../src/server/app.ts";
import { Wiring } from "../../src/server/service.ts";
import { systemClock } from "../../src/system-clock.ts";
import { beginWorld } from "../support/program.ts";

/** Routes that anyone may ask, because their answers hold no secret: the state of the service, and the ways to sign in. */
const PUBLIC = new Set([
  "GET /api/health",
  "GET /api/health/db/:source",
  "POST /api/session",
  "GET /api/session/oidc",
  "GET /api/session/oidc/callback",
]);
/** Routes that any valid caller may ask, with any role. */
const ANY_CALLER = new Set(["GET /metrics", "GET /api/session", "DELETE /api/session", "GET /api/openapi.json"]);
/** A request that no operation accepts: it is refused after the caller was judged, and nothing begins. */
const NONSENSE = { nonsense: true };

test("R45 no route answers a caller without a valid token, or a role without the access", async (t) => {
  const world = await beginWorld(t, { sources: { secretsource: { url: "postgres://u:pw@127.0.0.1:1/shop", label: "shop" } } });
  const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
  const context = await compose(config, { clock: systemClock, lifeboat: "test", env: world.env });
  const wiring = new Wiring(config, context);
  t.after(() => wiring.end());
  const silent = { info() {}, warn() {}, error() {} };
  const use = <T>(run: (composed: typeof context) => Promise<T>): Promise<T> => wiring.use(run);
  const relaxed = { ...config, people: { ...config.people, requestsPerMinute: 1e9, signInsPerMinute: 1e9 } };
  const { signal } = new AbortController();
  const parts = { clock: systemClock, log: silent, ...{ signal, cancel: signal }, events() {}, subscribe() {} };
  const service = { ...parts, config: () => relaxed, use, judgement: () => undefined, refusal: () => undefined };
  const app = await createApp(service);
  const now = Date.now();
  const tokenOf = (name: string, roles: typeof ROLE_NAMES, expiresAt: Date) =>
    context.people.createToken({ name, roles, createdAt: new Date(now - 5000), createdBy: "test", expiresAt }, randomBytes);
  const tomorrow = new Date(now + 86_400_000);
  const good = tokenOf("good", ROLE_NAMES, tomorrow);
  const revoked = tokenOf("revoked", ROLE_NAMES, tomorrow);
  context.people.revokeToken(revoked.record.id, new Date(now));
  const strangers: Readonly<Record<string, string | undefined>> = {
    none: undefined,
    expired: `Bearer ${tokenOf("expired", ROLE_NAMES, new Date(now - 1000)).text}`,
    revoked: `Bearer ${revoked.text}`,
    unknown: `Bearer lbt_${"0".repeat(16)}_${"A".repeat(43)}`,
    "of another id": `Bearer ${good.text.replace(/_[0-9a-f]{16}_/, `_${revoked.record.id}_`)}`,
    "cut short": `Bearer ${good.text.slice(0, -1)}`,
    basic: `Basic ${Buffer.from(`x:${good.text}`).toString("base64")}`,
  };
  const ask = (method: string, path: string, authorization: string | undefined): Promise<Response> | Response => {
    const headers = { host: "127.0.0.1", ...(authorization !== undefined && { authorization }) };
    if (method === "GET") return app.request(`${path}?nonsense=true`, { method, headers });
    return app.request(path, { method, headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(NONSENSE) });
  };

  const routes = new Map(
    app.routes
      .filter(({ method, path }) => method !== "ALL" && !path.endsWith("*"))
      .map(({ method, path }) => [`${method} ${path}`, { method, path: path.replaceAll(/:\w+/g, "1m8kn20x1wnezh") }]),
  );
  const accesses = new Map<string, Access>(
    (await apiOperations()).flatMap(({ path, access, call, plan }) => [
      [`${call === "get" ? "GET" : "POST"} /api/${path}`, access] as const,
      ...(plan === undefined ? [] : [[`POST /api/${path}/plan`, access] as const]),
    ]),
  );
  for (const path of ["GET /api/jobs/:id", "GET /api/jobs/:id/events", "POST /api/jobs/:id/cancel"]) accesses.set(path, "look");
  assert.ok(routes.size > 30, `${routes.size} routes`);

  for (const [name, { method, path }] of routes) {
    if (PUBLIC.has(name)) continue;
    for (const [who, authorization] of Object.entries(strangers)) {
      const response = await ask(method, path, authorization);
      const text = await response.text();
      assert.equal(response.status, 401, `${name}, ${who}: ${text}`);
      assert.equal(JSON.parse(text).code, "UNAUTHENTICATED");
      assert.doesNotMatch(text, /secretsource|repository|file:/, `${name}, ${who}`);
    }
    if (ANY_CALLER.has(name)) continue;
    const access = accesses.get(name);
    assert.ok(access !== undefined, `no test knows what ${name} takes`);
    for (const role of ROLE_NAMES) {
      const { text: token } = tokenOf(`${role} ${name}`, [role], tomorrow);
      const response = await ask(method, path, `Bearer ${token}`);
      const body = await response.text();
      if (mayDo([role], access)) assert.ok([404, 422].includes(response.status), `${name}, ${role}: ${response.status} ${body}`);
      else assert.deepEqual([response.status, JSON.parse(body).code], [403, "FORBIDDEN"], `${name}, ${role}`);
    }
  }
  assert.deepEqual(
    [...PUBLIC, ...ANY_CALLER, ...accesses.keys()].filter((name) => !routes.has(name)),
    [],
    "these routes do not exist",
  );
  const unknown = await app.request("/api/nothing", { headers: { host: "127.0.0.1" } });
  assert.equal(unknown.status, 401, "a stranger does not learn which routes there are");
});
