import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MongoClient } from "mongodb";
import { isLifeboatError } from "../../../core/errors.ts";
import { connectionFromUrl, databaseOf, flawOfDatabaseName, formatMongoUrl, optionOf, parseMongoUrl, withDatabase } from "./url.ts";

test("R27 an address of several hosts is read into its parts and written back to the same", () => {
  const url =
    "mongodb://us%40er:p%2F%3A%40ss@a.example:27018,b.example,[::1]:27019/shop?replicaSet=rs0&readPreferenceTags=a%3A1&readPreferenceTags=";
  const parts = parseMongoUrl(url);
  assert.deepEqual([parts.user, parts.password, parts.database], ["us@er", "p/:@ss", "shop"]);
  assert.deepEqual(parts.hosts, ["a.example:27018", "b.example", "[::1]:27019"]);
  assert.deepEqual(parts.options, [
    ["replicaSet", "rs0"],
    ["readPreferenceTags", "a:1"],
    ["readPreferenceTags", ""],
  ]);
  assert.deepEqual(parseMongoUrl(formatMongoUrl(parts)), parts);
  assert.equal(optionOf(parts, "REPLICASET"), "rs0");
});

test("R27 an Atlas address and a socket's are read", () => {
  const srv = parseMongoUrl("mongodb+srv://app:pw@cluster0.ab1cd.mongodb.net/?retryWrites=true&w=majority");
  assert.deepEqual([srv.srv, srv.hosts, srv.database], [true, ["cluster0.ab1cd.mongodb.net"], undefined]);
  assert.equal(connectionFromUrl("mongodb://%2Ftmp%2Fmongodb-27017.sock/shop").label, "shop at /tmp/mongodb-27017.sock");
});

test("R27 a label says database, server and user, and never the password", () => {
  const { label } = connectionFromUrl("mongodb://me:hidden@a,b:27018,c/shop");
  assert.equal(label, "shop at a:27017 and 2 more as me");
  assert.equal(connectionFromUrl("mongodb://a:1").label, "all databases at a:1");
});

test("an address that cannot be read is refused in words that hold nothing of it", () => {
  const secret = "s3cr3t";
  const wrong = [
    "postgres://a/b",
    `mongodb://u:${secret}@`,
    `mongodb://u:${secret}%zz@h/d`,
    `mongodb://u:${secret}@h:0/d`,
    `mongodb://u:${secret}@h:x/d`,
    `mongodb://u:${secret}@h,/d`,
    `mongodb://u:${secret}/x@h/d`,
    `mongodb://u:1234/${secret}@h/d`,
    `mongodb://u:${secret}@h/d?tls`,
    `mongodb+srv://u:${secret}@h:27017/d`,
    `mongodb+srv://u:${secret}@h,i/d`,
    `mongodb://u:${secret}@h/admin`,
    `mongodb://u:${secret}@h/a.b`,
  ];
  for (const url of wrong) {
    assert.throws(
      () => parseMongoUrl(url),
      (error) => isLifeboatError(error, "CONFIG_INVALID") && !error.message.includes(secret) && error.cause === undefined,
      url,
    );
  }
  assert.throws(() => parseMongoUrl("mongodb://h/admin"), /authSource=admin/);
});

test("R27 another database of the same server keeps the place where its user is looked up", () => {
  const moved = withDatabase(connectionFromUrl("mongodb://u:p@h/shop?tls=true"), "copy");
  assert.deepEqual([databaseOf(moved), optionOf(parseMongoUrl(moved.url), "authSource")], ["copy", "shop"]);
  assert.equal(databaseOf(withDatabase(moved, undefined)), undefined);
  const said = withDatabase(connectionFromUrl("mongodb://u:p@h/shop?authSource=admin"), undefined);
  assert.equal(optionOf(parseMongoUrl(said.url), "authSource"), "admin");
  assert.equal(optionOf(parseMongoUrl(withDatabase(connectionFromUrl("mongodb://h/shop"), "b").url), "authSource"), undefined);
});

test("names that some servers refuse are not valid names", () => {
  assert.equal(flawOfDatabaseName("shop-2026_x"), undefined);
  for (const wrong of ["", "a.b", "a b", "a/b", "$x", "Admin", "x".repeat(64), "a\0"]) assert.ok(flawOfDatabaseName(wrong), wrong);
});

const UNWRITTEN = [
  "12/s3cr3t",
  "12?s3cr3t",
  "12?s3=cr3t",
  "12/s3?cr3t",
  "p@12/s3cr3t",
  "p@h?s3cr3t",
  "12/s3@cr3t",
  "%zs3cr3t",
  "12#s3cr3t",
];

test("no part of a password that is not percent-encoded is in a message or a label", () => {
  for (const password of UNWRITTEN) {
    for (const rest of ["h/shop", "h:27017/shop?a=b"]) {
      const url = `mongodb://app:${password}@${rest}`;
      assert.throws(
        () => parseMongoUrl(url),
        (error) => isLifeboatError(error, "CONFIG_INVALID") && !/s3|cr3t/.test(`${error.message} ${error.cause}`),
        url,
      );
    }
  }
  assert.throws(
    () => parseMongoUrl("mongodb://app:pw@h/shop?s3cr3t"),
    (error) => isLifeboatError(error, "CONFIG_INVALID") && !/s3cr3t/.test(error.message),
  );
});

test("R56 what is written is read the same by the official driver", () => {
  const text = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((one) => !one.includes("\0") && one.isWellFormed());
  const hosts = fc.constantFrom(["a.example:27018", "b.example:27017"], ["[::1]:27019"], ["c.example:1"]);
  const all = fc.record({ hosts, user: text, password: text, database: fc.constantFrom("shop", "été", "a-b"), appName: text });
  fc.assert(
    fc.property(all, ({ hosts, user, password, database, appName }) => {
      const url = formatMongoUrl({ srv: false, hosts, user, password, database, options: [["appName", appName]] });
      const { options } = new MongoClient(url);
      const { username, password: secret, source } = options.credentials ?? {};
      const read = [options.hosts.map(String), username, secret, source, options.dbName, options.appName];
      assert.deepEqual(read, [hosts, user, password, database, database, appName]);
    }),
  );
});
