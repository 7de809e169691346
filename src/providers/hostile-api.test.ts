// APIs that answer with more than they should, on loopback: redirects elsewhere, answers and lists without an end.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import { isLifeboatError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { AtlasAuth } from "./atlas/api/auth/auth.ts";
import { openAtlasApi } from "./atlas/api/client.ts";
import { ACCOUNT_AUTH, GROUP, HASTE, KEY_AUTH, realClock } from "./atlas/api/testing.ts";
import { MOST_ANSWER_BYTES } from "./http/call.ts";
import { openNeonApi } from "./neon/api/client.ts";
import { TIMEOUTS } from "./neon/options.ts";

interface Server {
  readonly address: string;
  readonly seen: IncomingMessage[];
}

async function serve(t: TestContext, listener: RequestListener): Promise<Server> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    listener(request, response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

const QUICK = { ...TIMEOUTS, requestMs: 20_000, outageMs: 1, retryMs: 1, pollMs: 5 };
const neonAt = (address: string) =>
  openNeonApi({ projectId: "p1", apiKey: Secret.of("napi_secret"), apiHost: address, timeouts: QUICK, clock: realClock });
const atlasAt = (address: string, auth: AtlasAuth = ACCOUNT_AUTH) =>
  openAtlasApi({ groupId: GROUP, auth, apiHost: address, timeouts: { ...HASTE, requestMs: 20_000 }, clock: realClock });
const failing = (asked: Promise<unknown>, words: RegExp) =>
  assert.rejects(asked, (error) => isLifeboatError(error) && error.code.startsWith("PROVIDER_") && words.test(error.message));

test("R56 a redirect to another host is not followed: neither key nor token nor request reaches it", async (t) => {
  const stranger = await serve(t, (_, response) => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
  for (const status of [301, 302, 303, 307, 308]) {
    const redirecting = await serve(t, (request, response) => {
      if (request.url === "/api/oauth/token" && status !== 307) {
        response.writeHead(200, { "content-type": "application/json" }).end('{"access_token":"token","expires_in":3600}');
      } else response.writeHead(status, { location: `${stranger.address}${request.url}` }).end();
    });
    await failing(neonAt(redirecting.address).branches(), /./);
    await failing(neonAt(redirecting.address).setHistory(3600), /./);
    await failing(atlasAt(redirecting.address).clusters(), /./);
    await failing(atlasAt(redirecting.address, KEY_AUTH).clusters(), /./);
  }
  assert.equal(stranger.seen.length, 0);
});

test("R56 a redirect to the same host is not followed either: it could lead round without end", async (t) => {
  const server = await serve(t, (request, response) => response.writeHead(307, { location: `${request.url}/x` }).end());
  await failing(neonAt(server.address).branches(), /./);
  assert.equal(server.seen.length, 1);
});

/** Sends without an end, or a few bytes that decompress to more than is read. */
function flood(how: "plain" | "gzip"): RequestListener {
  const bomb = how === "gzip" ? gzipSync(Buffer.alloc(MOST_ANSWER_BYTES * 4, 0x20)) : undefined;
  return (request, response) => {
    if (request.url === "/api/oauth/token") {
      response.writeHead(200, { "content-type": "application/json" }).end('{"access_token":"token","expires_in":3600}');
      return;
    }
    if (bomb !== undefined) {
      response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(bomb);
      return;
    }
    response.writeHead(200, { "content-type": "application/json" });
    const piece = Buffer.alloc(1024 * 1024, 0x20);
    const write = (): void => {
      while (!response.destroyed && response.write(piece));
    };
    response.on("drain", write);
    write();
  };
}

for (const how of ["plain", "gzip"] as const) {
  test(`R56 an answer without an end (${how}) breaks off at its limit`, async (t) => {
    const server = await serve(t, flood(how));
    await failing(neonAt(server.address).branches(), /answer/);
    await failing(atlasAt(server.address).clusters(), /larger than/);
  });
}

test("R56 a token's server that answers without an end is broken off as well", async (t) => {
  const server = await serve(t, (_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(Buffer.alloc(MOST_ANSWER_BYTES + 1, 0x20));
  });
  await failing(atlasAt(server.address).clusters(), /larger than/);
});

test("R56 a list whose cursors repeat or never end is a failure, never a partial list", async (t) => {
  const branch = (id: number) => ({ id: `br-${id}`, name: `b${id}`, created_at: "2026-01-01T00:00:00Z" });
  const rounds: Readonly<Record<string, (page: number) => string>> = { round: (page) => `c${page % 3}`, endless: (page) => `c${page}` };
  for (const [how, next] of Object.entries(rounds)) {
    let page = 0;
    const server = await serve(t, (_, response) => {
      page += 1;
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ branches: [branch(page)], pagination: { next: next(page) } }));
    });
    await failing(neonAt(server.address).branches(), /has no end/);
    assert.ok(server.seen.length <= 1001, `${how}: ${server.seen.length} pages`);
  }
});
