import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { COMMANDS } from "../commands/index.ts";
import { renderCompletion } from "./completion.ts";

const entries = await Promise.all(COMMANDS.map(async ({ name, summary, load }) => ({ name, summary, definition: await load() })));

/** What bash offers behind these words. */
function offered(...words: readonly string[]): string[] {
  const script = `${renderCompletion("bash", entries)}
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lifeboat; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr, status } = spawnSync("bash", ["-c", script, "bash", "lifeboat", ...words], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return stdout.trim().split("\n");
}

test("R52 bash completes commands, commands of commands, and options of the one that is typed", () => {
  assert.deepEqual(offered("re"), ["resume", "restore", "recover", "release"]);
  assert.deepEqual(offered("key", "").slice(0, 3), ["new", "writer", "approver"]);
  assert.deepEqual(offered("backup", "shop", "--du"), ["--due"]);
  assert.deepEqual(offered("jobs", "rec"), ["recover"]);
  assert.ok(offered("--quiet", "").includes("status"));
});

test("R52 every command and every option is in the completion of each shell", () => {
  for (const shell of ["zsh", "fish"] as const) {
    const script = renderCompletion(shell, entries);
    for (const { name } of entries) for (const word of name.split(" ")) assert.match(script, new RegExp(`\\b${word}\\b`));
    assert.match(script, shell === "zsh" ? /--pre-deploy/ : /-l pre-deploy/);
  }
});
