import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES } from "./errors.ts";
import { withNames } from "./hints.ts";

test("R52 commands in a hint contain the real names, and no placeholder for unknown ones", () => {
  const names = { source: "shop", command: "key new" };
  assert.equal(withNames("run `lifeboat backup SOURCE` first", names), "run `lifeboat backup shop` first");
  assert.equal(withNames("run `lifeboat check SOURCE`", {}), "run `lifeboat check`");
  assert.equal(withNames("repeat it with --yes SOURCE", names), "repeat it with --yes shop");
  assert.equal(withNames(ERROR_CODES.USAGE.hint, names), "run `lifeboat key new --help`");
  assert.equal(withNames(ERROR_CODES.USAGE.hint, {}), "run `lifeboat --help`");
  assert.equal(withNames("a SOURCE of joy", names), "a SOURCE of joy", "only commands are filled in");
  for (const { hint } of Object.values(ERROR_CODES)) assert.doesNotMatch(withNames(hint, names), /SOURCE|COMMAND/);
});
