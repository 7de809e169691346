import assert from "node:assert/strict";
import { test } from "node:test";
import { COMMANDS } from "../cli/commands/index.ts";
import { isHealthCode, MONITORS, nextOfFinding } from "./monitors.ts";

test("R36 each monitor names a command of this program that can be pasted", () => {
  const names = new Set(COMMANDS.map(({ name }) => name));
  for (const code of Object.keys(MONITORS)) {
    assert.ok(isHealthCode(code));
    const { text, commands } = nextOfFinding({ code }, "shop");
    assert.ok(commands.length > 0, code);
    assert.doesNotMatch(text, /SOURCE/);
    for (const command of commands) {
      const [, first = "", second = ""] = command.split(" ");
      assert.ok(names.has(first) || names.has(`${first} ${second}`), command);
    }
  }
});
