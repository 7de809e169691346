import assert from "node:assert/strict";
import { test } from "node:test";
import { isLifeboatError } from "../../../core/errors.ts";
import { parsePattern } from "./scope.ts";

test("a table pattern is read as psql reads it: folded outside of quotes, * and ? as wildcards", () => {
  assert.deepEqual(parsePattern("Users"), { schema: null, name: "users" });
  assert.deepEqual(parsePattern("shop.*"), { schema: "shop", name: ".*" });
  assert.deepEqual(parsePattern("us?rs"), { schema: null, name: "us.rs" });
  assert.deepEqual(parsePattern('"Odd Schema"."T.a ""b"""'), { schema: "Odd Schema", name: 'T\\.a "b"' });
});

test("an invalid table name is refused as a usage error that says how to write one", () => {
  for (const pattern of ["", "a.b.c", '"open', "a.", ".b"]) {
    assert.throws(
      () => parsePattern(pattern),
      (error) => isLifeboatError(error, "USAGE"),
      pattern,
    );
  }
});
