import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isLifeboatError } from "../core/errors.ts";
import { openPeople } from "./people.ts";

const at = new Date("2026-11-29T12:00:00Z");
const later = new Date("2026-11-30T12:00:00Z");

function withPeople(run: (path: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "lb-people-"));
  try {
    run(join(directory, "state", "people.sqlite"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("R45 a token is found by its text, and its file holds no part of its secret and is private", () => {
  withPeople((path) => {
    const people = openPeople(path);
    const { text, record } = people.createToken(
      { name: "ci", roles: ["restorer"], createdAt: at, createdBy: "op@host", expiresAt: later },
      randomBytes,
    );
    assert.match(text, /^lbt_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
    assert.deepEqual(people.findToken(text), {
      ...record,
      person: undefined,
      revokedAt: undefined,
      lastUsedAt: undefined,
      lastUsedFrom: undefined,
    });
    const wrongEnd = text.endsWith("A") ? "B" : "A";
    for (const wrong of [
      `${text.slice(0, -1)}${wrongEnd}`,
      text.replace("lbt_", "lbs_"),
      `${text} `,
      "",
      `lbt_${"0".repeat(16)}_${"A".repeat(43)}`,
    ])
      assert.equal(people.findToken(wrong), undefined, wrong);
    people.close();
    for (const file of readdirSync(join(path, ".."))) {
      assert.equal(statSync(join(path, "..", file)).mode & 0o777, 0o600, file);
      assert.ok(!readFileSync(join(path, "..", file), "latin1").includes(text.slice(-43)), file);
    }
  });
});

test("R45 a revoked token says so after a restart, and the sessions begun with it are gone", () => {
  withPeople((path) => {
    const people = openPeople(path);
    const { text, record } = people.createToken(
      { name: "ci", roles: ["viewer"], createdAt: at, createdBy: "op@host", expiresAt: later },
      randomBytes,
    );
    const session = people.beginSession({ kind: "token", name: "ci", tokenId: record.id, createdAt: at, endsAt: later }, randomBytes);
    const other = people.beginSession(
      { kind: "person", name: "alice", signedIn: { issuer: "https://id", groups: ["dba"] }, createdAt: at, endsAt: later },
      randomBytes,
    );
    assert.equal(people.findSession(session.text)?.tokenId, record.id);
    people.revokeToken(record.id, later);
    people.close();
    const again = openPeople(path);
    assert.deepEqual(again.findToken(text)?.revokedAt, later);
    assert.equal(again.findSession(session.text), undefined);
    assert.equal(again.findSession(other.text)?.name, "alice");
    again.close();
  });
});

test("R45 a file of tokens that cannot be used is said; a last use that is not stored keeps no caller out", () => {
  withPeople((path) => {
    mkdirSync(path, { recursive: true });
    const people = openPeople(path);
    const isUnusable = (error: unknown): boolean => isLifeboatError(error, "STATE_UNUSABLE") && error.message.includes(path);
    assert.throws(() => people.findToken(`lbt_${"0".repeat(16)}_${"A".repeat(43)}`), isUnusable);
    assert.throws(() => people.revokeToken("0".repeat(16), at), isUnusable);
    people.tokenUsed("0".repeat(16), at, "127.0.0.1");
    people.sessionSeen("0".repeat(16), at);
    rmSync(path, { recursive: true });
    assert.equal(people.findToken(`lbt_${"0".repeat(16)}_${"A".repeat(43)}`), undefined, "it is opened again once it can be");
    people.close();
  });
});
