// Answers that no honest server gives: what we make of them.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { isLifeboatError } from "../../../core/errors.ts";
import { Secret } from "../../../core/secret.ts";
import { TIMEOUTS } from "../options.ts";
import { openNeonApi } from "./client.ts";

const KEY = "napi_0123456789";

async function apiOver(t: TestContext, listener: RequestListener, host?: (port: number) => string, outageMs = 100) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return openNeonApi({
    projectId: "p1",
    apiKey: Secret.of(KEY),
    apiHost: host?.(port) ?? `http://127.0.0.1:${port}/api/v2/`,
    timeouts: { ...TIMEOUTS, requestMs: 2_000, outageMs, retryMs: 5, pollMs: 5 },
    clock: { now: () => new Date("2026-11-21T06:00:00Z"), monotonicMs: () => performance.now(), randomBytes: (n) => new Uint8Array(n) },
  });
}

const json =
  (body: unknown): RequestListener =>
  (_, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  };

test("the key travels as Bearer, to the host that is configured, with the path below it", async (t) => {
  const seen: string[] = [];
  const api = await apiOver(t, (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    json({ snapshots: [] })(request, response);
  });
  assert.deepEqual(await api.snapshots(), []);
  assert.deepEqual(seen, [`GET /api/v2/projects/p1/snapshots Bearer ${KEY}`]);
});

for (const [what, body] of [
  ["no JSON object", "hello"],
  ["an object without the list", {}],
  ["a list of nonsense", { branches: [null] }],
  ["a branch without an id", { branches: [{ name: "x", created_at: "2026-01-01T00:00:00Z" }] }],
  ["an instant that is none", { branches: [{ id: "b", name: "x", created_at: "yesterday" }] }],
] as const) {
  test(`an answer that is ${what} is PROVIDER_FAILED, not a crash and not an empty list`, async (t) => {
    const api = await apiOver(t, json(body));
    await assert.rejects(api.branches(), (error) => isLifeboatError(error, "PROVIDER_FAILED"));
  });
}

test("a page in HTML where an answer should be is PROVIDER_FAILED", async (t) => {
  const api = await apiOver(t, (_, response) => {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<html>log in</html>");
  });
  await assert.rejects(api.branches(), (error) => isLifeboatError(error, "PROVIDER_FAILED"));
});

test("an answer that breaks off in its middle is asked for again", async (t) => {
  let count = 0;
  const api = await apiOver(
    t,
    (request, response) => {
      if (count++ > 0) return json({ snapshots: [] })(request, response);
      response.writeHead(200, { "content-type": "application/json", "content-length": "1000" });
      response.write('{"snapshots": [');
      setTimeout(() => response.destroy(), 10);
    },
    undefined,
    10_000,
  );
  assert.deepEqual(await api.snapshots(), []);
  assert.equal(count, 2);
});

test("every page of a list is read, and a cursor that stands still ends it", async (t) => {
  const branch = (id: string) => ({ id, name: id, created_at: "2026-01-01T00:00:00Z" });
  const api = await apiOver(t, (request, response) => {
    const cursor = new URL(request.url ?? "", "http://x").searchParams.get("cursor");
    if (cursor === null) return json({ branches: [branch("a")], pagination: { next: "one" } })(request, response);
    if (cursor === "one") return json({ branches: [branch("b")], pagination: { next: "two" } })(request, response);
    return json({ branches: [branch("c")], pagination: { next: "two" } })(request, response);
  });
  assert.deepEqual(
    (await api.branches()).map(({ id }) => id),
    ["a", "b", "c"],
  );
});

for (const status of [403, 404]) {
  test(`a key that may not ask for its user (${status}) leaves the plan unknown; any other failure is told`, async (t) => {
    const api = await apiOver(t, (_, response) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify({ code: "", message: "not for this key" }));
    });
    assert.equal(await api.ownPlan(), undefined);
    const broken = await apiOver(t, (_, response) => response.writeHead(500).end());
    await assert.rejects(broken.ownPlan(), (error) => isLifeboatError(error, "PROVIDER_FAILED"));
  });
}

test("an operation that failed is PROVIDER_FAILED with its id, its name and Neon's own words", async (t) => {
  const operation = { id: "op-1", action: "create_timeline", status: "running" };
  const api = await apiOver(t, (request, response) => {
    if (request.method === "PATCH") return json({ project: {}, operations: [operation] })(request, response);
    return json({ operation: { ...operation, status: "failed", error: "pageserver is on fire" } })(request, response);
  });
  await assert.rejects(
    api.setHistory(86_400),
    (error) =>
      isLifeboatError(error, "PROVIDER_FAILED") && /op-1 \(create_timeline\) ended as failed: pageserver is on fire/.test(error.message),
  );
});

test("the names of a path are escaped: an id from elsewhere reaches nothing else", async (t) => {
  const seen: (string | undefined)[] = [];
  const api = await apiOver(t, (request, response) => {
    seen.push(request.url);
    json({ endpoints: [] })(request, response);
  });
  await api.computes("../../x?y=1");
  assert.equal(seen[0], "/api/v2/projects/p1/branches/..%2F..%2Fx%3Fy%3D1/endpoints");
});
