import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../../../core/errors.ts";
import { ACCOUNT, clientOf, clusterBody, failure, type Seen, serve, token } from "../testing.ts";

const isToken = ({ url }: Seen): boolean => url === "/api/oauth/token";

test("many requests at once share one token, had with the secret as it is and by a form", async (t) => {
  const service = await serve(t, (request) => (isToken(request) ? undefined : { status: 200, body: clusterBody("shop") }));
  const api = clientOf(service);
  await Promise.all([api.cluster("shop"), api.cluster("shop"), api.cluster("shop")]);
  await api.cluster("shop");
  const [first, ...others] = service.seen.filter(isToken);
  assert.equal(others.length, 0);
  assert.equal(first?.body, "grant_type=client_credentials");
  assert.equal(first?.headers["content-type"], "application/x-www-form-urlencoded");
  const [, basic = ""] = /^Basic (.*)$/.exec(first?.headers.authorization ?? "") ?? [];
  assert.equal(Buffer.from(basic, "base64").toString(), `${ACCOUNT.clientId}:${ACCOUNT.clientSecret}`);
  for (const request of service.seen.filter((one) => !isToken(one))) assert.equal(request.headers.authorization, "Bearer token-1");
});

test("a token is renewed a minute before it ends", async (t) => {
  const service = await serve(t, (request) => (isToken(request) ? undefined : { status: 200, body: clusterBody("shop") }));
  let nowMs = 0;
  const api = clientOf(service, { clock: { monotonicMs: () => nowMs } });
  await api.cluster("shop");
  nowMs = 3_539_000;
  await api.cluster("shop");
  assert.equal(service.seen.filter(isToken).length, 1);
  nowMs = 3_540_000;
  await api.cluster("shop");
  assert.equal(service.seen.filter(isToken).length, 2);
  assert.equal(service.seen.at(-1)?.headers.authorization, "Bearer token-2");
});

test("a token that Atlas has forgotten is renewed once; a second refusal is the account's", async (t) => {
  let accepted = "Bearer token-2";
  const service = await serve(t, (request) => {
    if (isToken(request)) return undefined;
    return request.headers.authorization === accepted
      ? { status: 200, body: clusterBody("shop") }
      : failure(401, "UNAUTHORIZED", "expired");
  });
  const api = clientOf(service);
  assert.equal((await api.cluster("shop"))?.name, "shop");
  assert.equal(service.seen.length, 4);
  accepted = "nothing";
  await assert.rejects(api.cluster("shop"), (error: unknown) => isLifeboatError(error, "PROVIDER_AUTH"));
  assert.equal(service.seen.filter(isToken).length, 3);
});

test("a service account that is refused is told so, and its secret is in no message", async (t) => {
  const service = await serve(t, () => ({
    status: 401,
    body: { error: "invalid_client", error_description: `no client with ${ACCOUNT.clientSecret}` },
  }));
  await assert.rejects(clientOf(service).cluster("shop"), (error: unknown) => {
    assert.ok(isLifeboatError(error, "PROVIDER_AUTH"));
    assert.ok(!JSON.stringify([error.message, error.details, error.hint]).includes(ACCOUNT.clientSecret));
    return true;
  });
  assert.equal(service.seen.length, 1);
});

test("trouble of the token's server is ridden out as any other, and makes nothing twice", async (t) => {
  let asked = 0;
  const service = await serve(t, (request) => {
    if (!isToken(request)) return { status: 201, body: clusterBody("new", { stateName: "CREATING", connectionStrings: {} }) };
    asked++;
    if (asked === 1) return failure(503, "UNEXPECTED_ERROR");
    return asked === 2 ? "drop" : token(asked);
  });
  const made = await clientOf(service).createCluster({ name: "new", cloud: "AWS", region: "EU_CENTRAL_1", tier: "M10", tags: {} });
  assert.equal(made.state, "CREATING");
  assert.equal(service.seen.filter(({ method, url }) => method === "POST" && url.endsWith("/clusters")).length, 1);
});
