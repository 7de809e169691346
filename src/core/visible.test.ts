import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LifeboatError } from "./errors.ts";
import { harmless, shown, visible, visibleJson } from "./visible.ts";

const HOSTILE = "\x1b]0;title\x07\x1b[2J\u009b31m\x7f\r\n\t\u202etxt\u2066\u2028\ufff9";

test("R56 characters that control a terminal, break a line or change its direction are shown as escapes", () => {
  assert.equal(visible(HOSTILE), "\\x1b]0;title\\x07\\x1b[2J\\x9b31m\\x7f\\r\\n\\t\\u202etxt\\u2066\\u2028\\ufff9");
  assert.equal(visible("Größe 数 \u{1f6df} e\u0301 עברית"), "Größe 数 \u{1f6df} e\u0301 עברית", "other text stays");
});

test("R56 text in data is made safe at every depth, keys included, and other values are unchanged", () => {
  const at = new Date(0);
  const data = { "a\nb": [HOSTILE, 7n, null, undefined, true], at, map: new Map([["k\x1b", { v: "\x07" }]]), set: new Set(["\r"]) };
  const copy = shown(data) as unknown as Record<string, unknown>;
  assert.deepEqual(copy["a\\nb"], [visible(HOSTILE), 7n, null, undefined, true]);
  assert.equal(copy.at, at);
  assert.deepEqual(copy.map, new Map([["k\\x1b", { v: "\\x07" }]]));
  assert.deepEqual(copy.set, new Set(["\\r"]));
  assert.equal(data["a\nb"][0], HOSTILE, "the data itself is left alone");
  const error = shown(new LifeboatError("BUG", "a\nb", { details: { name: "\x1b" } }));
  assert.ok(error instanceof LifeboatError);
  assert.deepEqual([error.message, error.code, error.exit, error.details], ["a\\nb", "BUG", 70, { name: "\\x1b" }]);
  assert.deepEqual(Object.keys(shown(JSON.parse('{"__proto__": {"a": 1}}'))), ["__proto__"]);
});

test("R56 multi-line text keeps line ends and the program's own colours, and no other controls", () => {
  assert.equal(harmless("\x1b[31mred\x1b[39m\nnext\x1b[0m\x1b[2K\rx"), "\x1b[31mred\x1b[39m\nnext\\x1b[0m\\x1b[2K\\rx");
});

test("R56 JSON stays exact, and none of its characters controls a terminal", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      const json = visibleJson({ [text]: text, hostile: HOSTILE });
      assert.deepEqual(JSON.parse(json), { [text]: text, hostile: HOSTILE });
      assert.equal(visible(json), json);
    }),
  );
});
