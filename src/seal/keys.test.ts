import assert from "node:assert/strict";
import { test } from "node:test";
import { makeHeader, openHeader } from "./age-header.ts";
import { generateIdentity, keyFits, parseIdentityFile, recipientOf, validateRecipient } from "./keys.ts";

const { identity, recipient } = await generateIdentity();

test("a new identity belongs to its recipient, and no two are the same", async () => {
  assert.match(identity, /^AGE-SECRET-KEY-1[0-9A-Z]{58}$/);
  assert.match(recipient, /^age1[0-9a-z]{58}$/);
  assert.equal(await recipientOf(identity), recipient);
  assert.equal(await validateRecipient(` ${recipient}\n`), recipient);
  assert.notEqual((await generateIdentity()).identity, identity);
});

test("an identity file may hold comments, blank lines, Windows line ends and several identities", async () => {
  const other = await generateIdentity();
  const text = `# created: 2026-01-01\r\n# public key: ${recipient}\r\n${identity}\r\n\r\n${other.identity}`;
  assert.deepEqual(await parseIdentityFile(text), [identity, other.identity]);
});

test("an invalid key is refused with its line number, and no message repeats a secret", async () => {
  const broken = `${identity.slice(0, -1)}${identity.endsWith("Q") ? "P" : "Q"}`;
  const cases: [() => Promise<unknown>, RegExp][] = [
    [() => parseIdentityFile(`# mine\n${broken}\n`), /line 2 /],
    [() => parseIdentityFile(recipient), /is a recipient/],
    [() => parseIdentityFile("age-encryption.org/v1\n-> scrypt x 18\n"), /encrypted/],
    [() => parseIdentityFile("# nothing\n\n"), /holds no age identity/],
    [() => recipientOf(broken), /malformed/],
    [() => recipientOf(`${identity.toLowerCase()}`), /malformed/],
    [() => validateRecipient(identity), /an identity \(a secret\)/],
    [() => validateRecipient(`${recipient.slice(0, -1)}`), /is not an age recipient/],
    [() => validateRecipient(""), /is not an age recipient/],
    [() => makeHeader({ recipients: [] }), /no recipient/],
    [() => makeHeader({ passphrase: "" }), /empty/],
    [() => openHeader(Buffer.from("age-encryption.org/v1\n"), { identities: [broken] }), /malformed/],
  ];
  for (const [act, message] of cases) {
    await assert.rejects(act, (error: Error & { code?: string }) => {
      assert.equal(error.code, "KEY_INVALID");
      assert.match(error.message, message);
      const everything = `${error.stack} ${JSON.stringify(error)} ${error.cause}`;
      assert.ok(!everything.includes(identity.slice(16, 60)), "the secret shows");
      return true;
    });
  }
});

test("the recipients in the manifest tell whether a key fits, without reading the backup", async () => {
  const other = await generateIdentity();
  assert.equal(await keyFits({ identities: [identity] }, [other.recipient, recipient]), true);
  assert.equal(await keyFits({ identities: [identity] }, [other.recipient]), false);
  assert.equal(await keyFits({ identities: [identity] }, ["passphrase"]), false);
  assert.equal(await keyFits({ passphrase: "x" }, ["passphrase"]), true);
  assert.equal(await keyFits({ passphrase: "x" }, [recipient]), false);
});
