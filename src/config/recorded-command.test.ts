import assert from "node:assert/strict";
import { test } from "node:test";
import { recordedCommand } from "./recorded-command.ts";

const CASES: readonly (readonly [argv: readonly string[], said: string])[] = [
  [["restore", "shop", "--to", "14:25", "--where", "id = 42"], "lifeboat restore shop --to 14:25 --where ***"],
  [["forget", "shop", "--table", "users", "--key", "42", "--reason", "R-17"], "lifeboat forget shop --table users --key *** --reason R-17"],
  [["preview", "s", "--aggregate", '[{"$match":{"_id":1}}]'], "lifeboat preview s --aggregate ***"],
  [["find", "s", "--check", "select name = 'ann' from users"], "lifeboat find s --check ***"],
  [["history", "shop", "--table", "users", "--key=42"], "lifeboat history shop --table users --key=***"],
  [["restore", "shop", "--into", "postgres://ann:pw1@db/shop"], "lifeboat restore shop --into postgres://ann:***@db/shop"],
  [["guard", "shop", "--", "sh", "-c", "PGPASSWORD=x psql"], "lifeboat guard shop -- sh -c 'PGPASSWORD=*** psql'"],
  [["guard", "shop", "--", "run", "--token", "abc", "--api-key=def"], "lifeboat guard shop -- run --token *** --api-key=***"],
  [["guard", "shop", "--", "curl", "-H", "Authorization: Bearer abc.def"], "lifeboat guard shop -- curl -H 'Authorization: Bearer ***'"],
  [["guard", "shop", "--", "run", "configured", "it is from-env-1"], "lifeboat guard shop -- run *** 'it is ***'"],
  [["cutover", "shop", "--url-file", "/etc/url", "--password-file", "p"], "lifeboat cutover shop --url-file /etc/url --password-file p"],
];

test("R52 R61 a recorded command line can be pasted, and holds no secret and no key of a row", () => {
  for (const [argv, said] of CASES)
    assert.equal(recordedCommand(argv, ["configured"], { DEPLOY_TOKEN: "from-env-1", HOME: "/root", PGPASSWORD: "short" }), said);
});
