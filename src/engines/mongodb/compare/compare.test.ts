import assert from "node:assert/strict";
import { test } from "node:test";
import type { Fingerprint } from "../../../core/fingerprint.ts";
import { judge } from "../../../core/verdict.ts";
import { compareFingerprints } from "./compare.ts";

const print = (tables: Record<string, [number, string]>, schema: Record<string, string> = { "collection users": "{}" }): Fingerprint => ({
  algorithm: "mongodb-sha256-sum-1",
  scope: { kind: "full" },
  tables: Object.fromEntries(Object.entries(tables).map(([name, [rows, digest]]) => [name, { rows, digest }])),
  sequences: {},
  schema,
  outside: [],
  unhashed: [],
});
const base = print({ users: [2, "a"], empty: [0, "0"] });
const verdictOf = (...given: Parameters<typeof compareFingerprints>): string => judge(compareFingerprints(...given)).verdict;

test("R17 equal fingerprints pass, and every kind of difference fails", () => {
  assert.equal(verdictOf(base, base), "pass");
  for (const other of [
    print({ users: [2, "b"], empty: [0, "0"] }),
    print({ users: [1, "a"], empty: [0, "0"] }),
    print({ users: [2, "a"] }),
    print({ users: [2, "a"], empty: [0, "0"], more: [1, "x"] }),
    print({ users: [2, "a"], empty: [0, "0"] }, { "collection users": "{}", "index users n": "{}" }),
    print({ users: [2, "a"], empty: [0, "0"] }, {}),
  ]) {
    assert.equal(verdictOf(base, other), "fail");
  }
});

test("R33 nothing compared is nothing proven: no documents, another algorithm or scope, unread content", () => {
  const nothing = print({ users: [0, "0"] });
  assert.equal(verdictOf(nothing, nothing), "inconclusive");
  assert.equal(verdictOf(print({}), print({})), "inconclusive");
  assert.equal(verdictOf(base, { ...base, algorithm: "other" }), "inconclusive");
  assert.equal(verdictOf(base, { ...base, scope: { kind: "tables", tables: ["users"] } }), "inconclusive");
  const unhashed = [{ kind: "collection", object: "users", reason: "refused" }];
  assert.equal(verdictOf(base, { ...base, unhashed }), "inconclusive");
});

test("R17 of chosen collections only these are compared, and a chosen one that is missing fails", () => {
  const scope = { kind: "tables" as const, tables: ["us*"] };
  const copy = { ...print({ users: [2, "a"] }), scope };
  assert.equal(verdictOf(base, copy, { tables: ["us*"] }), "pass");
  assert.equal(verdictOf(base, { ...print({}), scope }, { tables: ["us*"] }), "fail");
  assert.equal(verdictOf(base, { ...copy, schema: {} }, { tables: ["us*"] }), "fail");
  assert.equal(verdictOf(base, { ...copy, schema: {} }, { tables: ["us*"], dataOnly: true }), "pass");
});

test("R17 documents alone are compared without definitions; collections that were there do not count", () => {
  assert.equal(verdictOf(base, print({ users: [2, "a"], empty: [0, "0"], own: [9, "z"] }, {}), { dataOnly: true }), "pass");
});

test("R33 documents that may have been due make a copy inconclusive only where the server removes them", () => {
  const expiring = { "collection s": "{}", "index s at": '{"expireAfterSeconds":60,"key":{"at":1}}' };
  const kept = { ...expiring, "index s at": '{"expireAfterSeconds":2147483647,"key":{"at":1}}' };
  const source = print({ s: [2, "a"] }, expiring);
  assert.equal(verdictOf(source, print({ s: [1, "b"] }, expiring)), "inconclusive");
  assert.equal(verdictOf(source, print({ s: [3, "b"] }, expiring)), "fail");
  assert.equal(verdictOf(source, print({ s: [2, "b"] }, expiring)), "fail");
  assert.equal(verdictOf(source, print({ s: [1, "b"] }, kept), { held: {} }), "fail");
  assert.equal(verdictOf(source, print({ s: [2, "a"] }, kept), { held: {} }), "pass");
  assert.equal(verdictOf(source, print({ s: [2, "a"] }, kept)), "fail");
  const lost = { ...expiring, "index s at": '{"key":{"at":1}}' };
  assert.equal(verdictOf(source, print({ s: [2, "a"] }, lost), { held: {} }), "fail", "an index without any expiry");
  const series = { "timeseries s": '{"expireAfterSeconds":60,"timeseries":{"timeField":"t"}}' };
  assert.equal(
    verdictOf(print({ s: [2, "a"] }, series), print({ s: [2, "a"] }, { "timeseries s": '{"timeseries":{"timeField":"t"}}' }), {
      held: {},
    }),
    "pass",
  );
  // Of a clustered collection it is the last option.
  const clustered = print({ s: [2, "a"] }, { "collection s": '{"clusteredIndex":{"key":{"_id":1}},"expireAfterSeconds":60}' });
  const made = print({ s: [2, "a"] }, { "collection s": '{"clusteredIndex":{"key":{"_id":1}}}' });
  assert.deepEqual([verdictOf(clustered, made, { held: {} }), verdictOf(clustered, made)], ["pass", "fail"]);
});

test("a thousand differences are told in a hundred checks", () => {
  const many = print(Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`c${i}`, [1, "a"]])));
  const checks = compareFingerprints(many, print({}, {}));
  assert.ok(checks.length < 205);
  assert.equal(judge(checks).verdict, "fail");
});
