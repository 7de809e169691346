import assert from "node:assert/strict";
import { test } from "node:test";
import { ERROR_CODES } from "./errors.ts";
import { instructionOf, nextOf, withNames } from "./hints.ts";

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

test("R52 the commands of a next action are those that can be run as they are", () => {
  const action = nextOf(ERROR_CODES.PROVIDER_LIMIT.hint, { source: "shop" });
  assert.match(action.text, /^run `lifeboat status shop` to see what is used/);
  assert.deepEqual(action.commands, ["lifeboat status shop", "lifeboat expire shop --plan"]);
  assert.deepEqual(nextOf(ERROR_CODES.TOO_MANY_FILES.hint).commands, ["ulimit -n 4096"]);
  assert.deepEqual(nextOf(ERROR_CODES.OBJECT_MISSING.hint).commands, [], "a name is missing in it");
  assert.deepEqual(nextOf(ERROR_CODES.OBJECT_MISSING.hint, { point: "before" }).commands, ["lifeboat verify before"]);
  assert.deepEqual(nextOf(ERROR_CODES.ISOLATION_MISSING.hint).commands, [], "a setting is not a command");
  for (const { hint } of Object.values(ERROR_CODES))
    for (const command of nextOf(hint).commands) assert.doesNotMatch(command, /\b[A-Z]{3,}\b/);
});

test("R52 a lone command is shown as it can be pasted, and one with a condition never without it", () => {
  assert.equal(instructionOf(nextOf("run `lifeboat backup SOURCE`", { source: "shop" })), "lifeboat backup shop");
  const accepted = "put it back; if it is lost for good, run `lifeboat acknowledge shop --reason lost`";
  assert.equal(instructionOf(nextOf(accepted)), accepted);
  assert.equal(instructionOf(nextOf("make more room")), "make more room");
});
