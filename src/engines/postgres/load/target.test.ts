import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionFromUrl } from "../connect/url.ts";
import { resolveTarget } from "./target.ts";

test("R22 a name that the server would cut to that of another database is refused, in an address too", () => {
  const source = connectionFromUrl("postgres://u@h/shop");
  const longest = `${"é".repeat(31)}x`;
  for (const into of [longest, `postgres://u@h/${longest}`]) assert.equal(resolveTarget(source, into).database, longest);
  for (const into of [`${longest}y`, `postgres://u@h/${longest}y`])
    assert.throws(() => resolveTarget(source, into), { code: "RESTORE_TARGET_INVALID", message: /longer than 63 bytes/ });
  for (const into of ["template1", "postgres://u@h/template1", " "])
    assert.throws(() => resolveTarget(source, into), { code: "RESTORE_TARGET_INVALID" });
});
