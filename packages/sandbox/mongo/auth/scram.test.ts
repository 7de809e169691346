// The vectors of RFC 5802 (section 5) and RFC 7677 (section 3), and everything a server must refuse.
import assert from "node:assert/strict";
import { test } from "node:test";
import { beginScram, deriveKeys, type ScramHash, ScramRefusal } from "./scram.ts";
import { saslprep } from "./users.ts";

const VECTORS = [
  {
    rfc: "RFC 5802",
    hash: "sha1" as ScramHash,
    salt: "QSXCR+Q6sek8bf92",
    clientFirst: "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
    serverNonce: "3rfcNHYJY1ZVvWVs7j",
    serverFirst: "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
    clientFinal: "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
    serverFinal: "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
  },
  {
    rfc: "RFC 7677",
    hash: "sha256" as ScramHash,
    salt: "W22ZaJ0SNY7soEsUEjb6gQ==",
    clientFirst: "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
    serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
    serverFirst: "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
    clientFinal: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    serverFinal: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
  },
];

function begin(vector: (typeof VECTORS)[number], clientFirst = vector.clientFirst) {
  const keys = deriveKeys(vector.hash, "pencil", Buffer.from(vector.salt, "base64"), 4096);
  return beginScram(vector.hash, clientFirst, (user) => (user === "user" ? keys : undefined), vector.serverNonce);
}

for (const vector of VECTORS) {
  test(`R54 the server speaks SCRAM as the example of ${vector.rfc}`, () => {
    const exchange = begin(vector);
    assert.equal(exchange.user, "user");
    assert.equal(exchange.first, vector.serverFirst);
    assert.equal(exchange.finish(vector.clientFinal), vector.serverFinal);
  });

  test(`R54 every other proof, nonce or channel binding than that of ${vector.rfc} is refused`, () => {
    const [before = "", proof = ""] = vector.clientFinal.split(",p=");
    const flipped = Buffer.from(proof, "base64");
    flipped[0] = (flipped[0] ?? 0) ^ 1;
    for (const wrong of [
      `${before},p=${flipped.toString("base64")}`,
      `${before},p=`,
      `${before},p=AAAA`,
      before,
      vector.clientFinal.replace("c=biws", "c=eSws"),
      vector.clientFinal.replace(",r=", ",r=x"),
      "",
    ]) {
      assert.throws(() => begin(vector).finish(wrong), ScramRefusal, wrong);
    }
  });
}

test("R54 a first message that is not SCRAM's, asks for channel binding, or names no user is refused", () => {
  const [vector] = VECTORS as [(typeof VECTORS)[number]];
  for (const wrong of ["", "n,,", "n,,n=user", "n,,n=user,r=", "p=tls-unique,,n=user,r=abc", "n,,n=other,r=abc"]) {
    assert.throws(() => begin(vector, wrong), ScramRefusal, wrong);
  }
});

test("R54 commas and equal signs in a user's name are unescaped once", () => {
  const keys = deriveKeys("sha256", "x", Buffer.from("salt"), 1);
  const seen: string[] = [];
  const keysOf = (user: string) => {
    seen.push(user);
    return keys;
  };
  beginScram("sha256", "n,,n=a=2Cb=3Dc=3D2C,r=abc", keysOf, "d");
  assert.deepEqual(seen, ["a,b=c=2C"]);
});

test("R54 the examples of RFC 4013 are prepared alike on both sides", () => {
  assert.equal(saslprep("I\u00adX"), "IX");
  assert.equal(saslprep("USER"), "USER");
  assert.equal(saslprep("\u00aa"), "a");
  assert.equal(saslprep("\u2168"), "IX");
  assert.equal(saslprep("a\u00a0b"), "a b");
});
