import assert from "node:assert/strict";
import { test } from "node:test";
import { DigestGate, digestResponse, parseDigest, REALM } from "./digest.ts";

const authenticator = (clock = { ms: 0 }): DigestGate => new DigestGate(new Map([["public", "private"]]), () => clock.ms);

function sign(challenge: string, changes: Record<string, string> = {}, password = "private"): string {
  const { nonce = "", realm = "" } = parseDigest(challenge);
  const parts = { username: "public", realm, nonce, nc: "00000001", cnonce: "abc", qop: "auth", uri: "/a?b=1", ...changes };
  const response = digestResponse({ ...parts, password, method: "GET" });
  const fields = Object.entries({ ...parts, response }).map(([key, value]) =>
    key === "nc" || key === "qop" ? `${key}=${value}` : `${key}="${value}"`,
  );
  return `Digest ${fields.join(", ")}`;
}

test("R54 the digest of RFC 2617's example is computed as printed there", () => {
  const parts = {
    username: "Mufasa",
    realm: "testrealm@host.com",
    password: "Circle Of Life",
    method: "GET",
    uri: "/dir/index.html",
    nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    nc: "00000001",
    cnonce: "0a4f113b",
    qop: "auth",
  };
  assert.equal(digestResponse(parts), "6629fae49393a05397450978507c4ef1");
});

test("R54 a challenge is as the real one's", () => {
  assert.match(
    authenticator().challenge(false),
    /^Digest realm="MMS Public API", domain="", nonce="[0-9a-f]+", algorithm=MD5, qop="auth", stale=false$/,
  );
});

test("R54 right words are taken once per count; a rising count uses the nonce again", () => {
  const one = authenticator();
  const challenge = one.challenge(false);
  assert.deepEqual(one.verify(sign(challenge), "GET", "/a?b=1"), { ok: true, username: "public" });
  assert.deepEqual(one.verify(sign(challenge), "GET", "/a?b=1"), { ok: false, stale: true });
  assert.deepEqual(one.verify(sign(challenge, { nc: "00000002" }), "GET", "/a?b=1"), { ok: true, username: "public" });
});

test("R54 another password, method or address is refused, and not as stale", () => {
  const one = authenticator();
  const challenge = one.challenge(false);
  const refused = { ok: false, stale: false };
  assert.deepEqual(one.verify(sign(challenge, {}, "wrong"), "GET", "/a?b=1"), refused);
  assert.deepEqual(one.verify(sign(challenge), "POST", "/a?b=1"), refused);
  assert.deepEqual(one.verify(sign(challenge), "GET", "/a?b=2"), refused);
  assert.deepEqual(one.verify(sign(challenge, { username: "other" }), "GET", "/a?b=1"), refused);
  assert.deepEqual(one.verify(sign(challenge, { realm: `${REALM}!` }), "GET", "/a?b=1"), refused);
});

test("R54 an old nonce and an unknown one are stale", () => {
  const clock = { ms: 0 };
  const one = authenticator(clock);
  const challenge = one.challenge(false);
  clock.ms = 6 * 60_000;
  assert.deepEqual(one.verify(sign(challenge), "GET", "/a?b=1"), { ok: false, stale: true });
  assert.deepEqual(authenticator().verify(sign(challenge), "GET", "/a?b=1"), { ok: false, stale: true });
});
