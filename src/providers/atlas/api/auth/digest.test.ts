import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../../../core/errors.ts";
import { clientOf, clusterBody, failure, KEY, KEY_AUTH, serve } from "../testing.ts";
import { parseChallenge, signDigest } from "./digest.ts";

test("a digest is signed as in the example of RFC 2617", () => {
  const challenge = parseChallenge(
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
  );
  assert.ok(challenge);
  const header = signDigest(
    { method: "GET", uri: "/dir/index.html" },
    { user: "Mufasa", password: "Circle Of Life", challenge, count: 1, cnonce: "0a4f113b" },
  );
  assert.match(header, /response="6629fae49393a05397450978507c4ef1"/);
  assert.match(header, /nc=00000001, .*opaque="5ccc069c403ebaf9f0171e9517f40e41"/);
});

test("a digest is signed as in the examples of RFC 7616, with MD5 and with SHA-256", () => {
  for (const [algorithm, response] of [
    ["MD5", "8ca523f5e9506fed4657c9700eebdbec"],
    ["SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"],
  ]) {
    const challenge = parseChallenge(
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
    );
    assert.ok(challenge);
    const header = signDigest(
      { method: "GET", uri: "/dir/index.html" },
      { user: "Mufasa", password: "Circle of Life", challenge, count: 1, cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ" },
    );
    assert.match(header, new RegExp(`response="${response}"`), algorithm);
  }
});

test("the challenge that Atlas sends is read; what cannot be answered is none", () => {
  assert.deepEqual(parseChallenge('Digest realm="MMS Public API", domain="", nonce="abc=", algorithm=MD5, qop="auth", stale=false'), {
    realm: "MMS Public API",
    nonce: "abc=",
    opaque: undefined,
    algorithm: "MD5",
    qop: true,
    stale: false,
  });
  assert.equal(parseChallenge('Digest realm="x", nonce="n", qop="auth", stale=TRUE')?.stale, true);
  assert.equal(parseChallenge('Basic realm="x", Digest realm="y", nonce="n2", qop="auth"')?.nonce, "n2");
  for (const other of [
    null,
    "",
    'Basic realm="x"',
    'Digest realm="x", nonce="n", algorithm=SHA-512-256',
    'Digest realm="x", nonce="n", qop="auth-int"',
  ])
    assert.equal(parseChallenge(other), undefined, String(other));
});

const challenge = (nonce: string, stale = false): Record<string, string> => ({
  "www-authenticate": `Digest realm="MMS Public API", domain="", nonce="${nonce}", algorithm=MD5, qop="auth", stale=${stale}`,
});
const of = (authorization: string | undefined, name: string): string | undefined =>
  new RegExp(`\\b${name}="?([^",]+)`).exec(authorization ?? "")?.[1];

test("one nonce serves many requests, counted up; a stale one is replaced without the caller noticing", async (t) => {
  let nonce = "first";
  const service = await serve(t, ({ headers: { authorization } }) => {
    const used = of(authorization, "nonce");
    if (used !== nonce) return failure(401, "UNEXPECTED_ERROR", "no", challenge(nonce, used !== undefined));
    return { status: 200, body: clusterBody("shop") };
  });
  const api = clientOf(service, { auth: KEY_AUTH });
  await api.cluster("shop");
  await api.cluster("shop");
  nonce = "second";
  await api.cluster("shop");
  const signed = service.seen.map(({ headers }) => [of(headers.authorization, "nonce"), of(headers.authorization, "nc")]);
  assert.deepEqual(signed, [
    [undefined, undefined],
    ["first", "00000001"],
    ["first", "00000002"],
    ["first", "00000003"],
    ["second", "00000001"],
  ]);
  for (const { headers } of service.seen)
    assert.ok(!String(headers.authorization).includes(KEY.privateKey), "the private key is never sent");
});

test("a key that Atlas does not accept is told after one signed try, and never shown", async (t) => {
  let nonces = 0;
  const service = await serve(t, () => failure(401, "UNEXPECTED_ERROR", `wrong key ${KEY.privateKey}`, challenge(`n${nonces++}`)));
  await assert.rejects(clientOf(service, { auth: KEY_AUTH }).cluster("shop"), (error: unknown) => {
    assert.ok(isLifeboatError(error, "PROVIDER_AUTH"));
    assert.match(error.message, /does not accept the API key/);
    assert.ok(!JSON.stringify([error.message, error.details]).includes(KEY.privateKey));
    return true;
  });
  assert.equal(service.seen.length, 2);
});
