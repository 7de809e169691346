import assert from "node:assert/strict";
import { test } from "node:test";
import { pointedAt } from "./cutover-address.ts";

const OWN = "postgres://owner:o@db.example.com:5432/shop";

test("R43 the application's address keeps user, password, parameters and pooler on another database", () => {
  const cases: readonly (readonly [present: string, from: string, to: string, expected: string | undefined | null])[] = [
    // Another database of one server, which the application knows by another name.
    [
      "postgres://app:a%40b@db/shop?pool=1",
      OWN,
      "postgres://owner:o@db.example.com:5432/shop_new",
      "postgres://app:a%40b@db/shop_new?pool=1",
    ],
    ["postgres://app@db.example.com/shop", OWN, "postgres://owner:o@db2.example.com/shop", "postgres://app@db2.example.com/shop"],
    // A branch, through the pooler that the application uses; the same role has another password there.
    [
      "postgres://app:a@ep-cool-1-pooler.eu.neon.tech/shop?sslmode=require",
      "postgres://app:a@ep-cool-1.eu.neon.tech/shop",
      "postgres://app:b@ep-warm-2.eu.neon.tech/shop",
      "postgres://app:b@ep-warm-2-pooler.eu.neon.tech/shop?sslmode=require",
    ],
    [
      "mongodb://app:a@m1,m2:27017/shop?tls=true",
      "mongodb://m1:27017,m2/shop",
      "mongodb://n1,n2/shop",
      "mongodb://app:a@n1,n2/shop?tls=true",
    ],
    // It reads it already.
    ["postgres://app@db/shop_new", OWN, "postgres://owner:o@db.example.com/shop_new", null],
    // An earlier cut-over left it on another database of the server.
    ["postgres://app@db.example.com/shop_new", OWN, OWN, "postgres://app@db.example.com/shop"],
    // It is not the source.
    ["postgres://app@elsewhere/shop", OWN, "postgres://owner@db2.example.com/shop", undefined],
    ["postgres://app@db/other", OWN, "postgres://owner@db.example.com/shop_new", undefined],
    ["not an address", OWN, OWN, undefined],
  ];
  for (const [present, from, to, expected] of cases) assert.equal(pointedAt(present, from, to), expected, present);
});
