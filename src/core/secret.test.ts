import assert from "node:assert/strict";
import { test } from "node:test";
import { format, inspect } from "node:util";
import { LifeboatError } from "./errors.ts";
import { Secret } from "./secret.ts";

test("R56 a secret is never printed: what is printed says where it comes from", () => {
  const secret = new Secret("DATABASE_URL", () => "hunter2");
  const holder = { url: secret, list: [secret] };
  const printed = [
    String(secret),
    `${secret}`,
    JSON.stringify(holder),
    inspect(holder),
    inspect(secret, { showHidden: true }),
    format("%s %o", secret, holder),
  ];
  for (const text of printed) {
    assert.match(text, /\[secret from DATABASE_URL\]/);
    assert.doesNotMatch(text, /hunter2/);
  }
  assert.doesNotMatch(inspect(Object.entries(secret)), /hunter2/);
  assert.equal(secret.read(), "hunter2");
});

test("R52 a secret that cannot be had throws when it is read, and only then", () => {
  const missing = Secret.absent("DATABASE_URL", () => new TypeError("not set"));
  assert.equal(String(missing), "[secret from DATABASE_URL]");
  assert.equal(missing.known(), undefined);
  assert.throws(() => missing.read(), /not set/);
});

test("R52 a secret that is not what it stands for is named by its place, without its text", () => {
  const address = new Secret("lifeboat.yaml:4:10", () => "hunter2");
  const refuse = (): never => {
    throw new LifeboatError("CONFIG_INVALID", "the address cannot be read", { hint: "write it anew" });
  };
  assert.throws(() => address.as(refuse), {
    code: "CONFIG_INVALID",
    message: "lifeboat.yaml:4:10: the address cannot be read",
    hint: "write it anew",
  });
  assert.equal(
    address.as((text) => text.length),
    7,
  );
});
