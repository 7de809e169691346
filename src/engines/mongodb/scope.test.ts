import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../core/errors.ts";
import { connectionFromUrl } from "./connect/url.ts";
import {
  assertChosen,
  chooserOf,
  covers,
  databasesOf,
  isOwnDatabase,
  isServerCollection,
  namespaceOf,
  scopeOf,
  splitNamespace,
  tableName,
} from "./scope.ts";

const one = scopeOf(connectionFromUrl("mongodb://h/shop"));
const all = scopeOf(connectionFromUrl("mongodb://h/"));
const two = scopeOf(connectionFromUrl("mongodb://h"), { databases: ["shop", "logs"] });

test("R27 collections of one database are called as they are, those of several with their database", () => {
  assert.equal(tableName(one, { db: "shop", collection: "fs.files" }), "fs.files");
  assert.equal(tableName(all, { db: "shop", collection: "fs.files" }), "shop.fs.files");
  assert.deepEqual(namespaceOf(one, "fs.files"), { db: "shop", collection: "fs.files" });
  assert.deepEqual(namespaceOf(all, "shop.fs.files"), { db: "shop", collection: "fs.files" });
  assert.deepEqual(splitNamespace("shop.fs.files"), { db: "shop", collection: "fs.files" });
});

test("R27 the server's own databases are never part of a source, and a chosen list leaves the others out", () => {
  const present = ["admin", "config", "local", "logs", "shop", "test", "lifeboat_mark"];
  assert.deepEqual(databasesOf(all, present), ["logs", "shop", "test"]);
  assert.deepEqual(databasesOf(two, present), ["logs", "shop"]);
  assert.deepEqual(databasesOf(one, present), ["shop"]);
  assert.equal(covers(two, "test"), false);
});

test("R27 a database that a job made is not a user's, and one with a similar name is", () => {
  assert.ok(isOwnDatabase("lifeboat_1n6x0g5q2abcde"));
  assert.ok(!isOwnDatabase("lifeboat_stories"));
});

test("R27 patterns choose by the names that the scope gives, capitals counting", () => {
  const chosen = chooserOf(one, ["user?", "log.*", "$[x]"]);
  const has = (collection: string, db = "shop") => chosen({ db, collection });
  assert.deepEqual(
    ["users", "Users", "user", "log.2026", "logs", "$[x]"].map((name) => has(name)),
    [true, false, false, true, false, true],
  );
  assert.equal(has("users", "other"), false);
  assert.ok(chooserOf(all, ["shop.*"])({ db: "shop", collection: "users" }));
  assert.ok(!chooserOf(all, ["shop.*"])({ db: "shop2", collection: "users" }));
  assert.ok(chooserOf(one, ["weather"])({ db: "shop", collection: "system.buckets.weather" }), "a time series is chosen with its buckets");
});

test("R27 of several databases, a name without a database is refused with the form that is meant", () => {
  for (const wrong of ["users", ".users", ""])
    assert.throws(
      () => chooserOf(all, [wrong]),
      (error) => isLifeboatError(error, "USAGE"),
    );
  assert.throws(() => namespaceOf(all, "users"), /write database\.collection/);
});

test("R27 a pattern that chooses nothing names what might have been meant", () => {
  assertChosen(["user*"], ["users"], "shop");
  assert.throws(
    () => assertChosen(["usres"], ["users"], "shop"),
    (error) => isLifeboatError(error, "TABLE_UNKNOWN") && /users/.test(error.message),
  );
});

test("R27 stored functions are a user's, profiles and view definitions the server's", () => {
  assert.deepEqual(["system.js", "system.views", "system.profile", "system.buckets.weather", "systematic"].map(isServerCollection), [
    false,
    true,
    true,
    false,
    false,
  ]);
});

test("R27 chosen collections of one of several databases keep their names in a database of another name", () => {
  const moved = scopeOf(connectionFromUrl("mongodb://h/rescued"), { several: true }, ["shop.users", "shop.fs.*"]);
  assert.equal(tableName(moved, { db: "rescued", collection: "users" }), "shop.users");
  assert.deepEqual(namespaceOf(moved, "shop.fs.files"), { db: "rescued", collection: "fs.files" });
  assert.ok(chooserOf(moved, ["shop.users"])({ db: "rescued", collection: "users" }));
  const mixed = scopeOf(connectionFromUrl("mongodb://h/rescued"), { several: true }, ["shop.users", "logs.*"]);
  assert.deepEqual(mixed, { database: "rescued" });
});
