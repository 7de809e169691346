import assert from "node:assert/strict";
import { test } from "node:test";
import { maskLine, redact, secretsOf } from "./redact.ts";

test("known secrets, passwords in URLs and identities are redacted, the longest first", () => {
  assert.equal(redact("a hunter22 and hunter2!", ["hunter2", "hunter22"]), "a *** and ***!");
  assert.equal(redact("at postgres://app:pw@h/x and https://u:v@w", []), "at postgres://app:***@h/x and https://u:***@w");
  assert.equal(redact("postgres://h/x?user=a&password=pw&b=c", []), "postgres://h/x?user=a&password=***&b=c");
  assert.equal(redact("AGE-SECRET-KEY-1QPZRY", []), "***");
});

test("a secret too short to be told from a word is redacted only inside a URL", () => {
  assert.equal(redact("a word", ["a"]), "a word");
  assert.equal(redact("postgres://u:a@h", ["a"]), "postgres://u:***@h");
});

test("of a connection string the password is the secret, of anything else the whole", () => {
  assert.deepEqual(secretsOf("postgres://app:p%3Aw@h/x"), ["p%3Aw", "p:w"]);
  assert.deepEqual(secretsOf("postgres://h/x?sslpassword=hidden"), ["hidden", "hidden"]);
  assert.deepEqual(secretsOf("passphrase with spaces"), ["passphrase with spaces"]);
  assert.deepEqual(secretsOf("postgres://h/x"), []);
});

test("R56 of a secret URL of a service the part after the host is redacted, also in lines of the file", () => {
  const hook = "https://hooks.slack.com/services/T00000000/B1/XXXXXXXXXXXXXXXX";
  assert.equal(redact(`at ${hook} and /services/T00000000/B1/XXXXXXXXXXXXXXXX`, secretsOf(hook)), "at *** and ***");
  assert.equal(redact("no XXXXXXXXXXXXXXXX", secretsOf(hook)), "no ***");
  assert.deepEqual(secretsOf("https://example.com"), ["https://example.com"]);
  for (const key of ["url", "heartbeat", "dsn"]) assert.equal(maskLine(`    ${key}: "${hook}"`), `    ${key}: "https://***"`);
  assert.equal(maskLine("  routingKey: abc, x: 1"), "  routingKey: ***, x: 1");
  assert.equal(maskLine("  endpoint: https://s3.example.com/x"), "  endpoint: https://s3.example.com/x");
});

test("a line of the file is shown without the values of keys that name secrets", () => {
  assert.equal(maskLine('  passphrase: "correct horse"'), "  passphrase: ***");
  assert.equal(maskLine("  storage: { secretAccessKey: abc, region: x }"), "  storage: { secretAccessKey: ***, region: x }");
  assert.equal(maskLine("  passphraseFile: /etc/x"), "  passphraseFile: /etc/x");
  assert.equal(maskLine("  passphrase: ${PASS}"), "  passphrase: ${PASS}");
});

test("of a password that is not percent-encoded every piece is a secret, and a line of the file shows none", () => {
  assert.deepEqual(redact("s3cr3t on app:12", secretsOf("postgres://app:12/s3cr3t@h/shop")), "*** on app:12");
  assert.equal(redact("at postgres://app:a/b@c?d@h/x now", []), "at postgres://app:***@h/x now");
  for (const url of ["postgres://app:a/s3cr3t@h/x", "postgre:/app:s3cr3t@h/x", "app:s3 cr3t@h", '"postgres://app:s3 cr3t@h"'])
    assert.doesNotMatch(maskLine(`    url: ${url}`), /s3|cr3t/, url);
  assert.equal(maskLine("  url: ${URL_SHOP}"), "  url: ${URL_SHOP}");
});
