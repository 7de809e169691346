import assert from "node:assert/strict";
import { test } from "node:test";
import { fold } from "./fold.ts";

test("text is folded at spaces and continues at its indentation; what is not for a terminal stays as it is", () => {
  const text = "a line that is longer than twenty columns are";
  assert.equal(fold(text, undefined), text);
  assert.equal(fold(text, 24), "a line that is longer\n  than twenty columns\n  are");
  assert.equal(fold("  id    one two three four five", 20), "  id    one two\n        three four\n        five");
  assert.equal(fold("short\n\n  also short", 24), "short\n\n  also short");
  assert.equal(fold("\x1b[31mred words of\x1b[39m some length here", 20), "\x1b[31mred words of\x1b[39m some\n  length here");
  assert.equal(fold(`next: ${"x".repeat(40)}`, 24), `next:\n  ${"x".repeat(40)}`, "a word is never broken");
});
