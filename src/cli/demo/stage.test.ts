import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { makePaint } from "../render/paint.ts";
import { makeStage, wrap } from "./stage.ts";

test("a long line is cut at spaces and continues under its own text", () => {
  assert.deepEqual(wrap("remarks  one two three four", 20), ["remarks  one two", "         three four"]);
  assert.deepEqual(wrap("  ✓ pass  rows: all of them are equal", 24), ["  ✓ pass  rows: all of", "          them are equal"]);
  assert.deepEqual(wrap("a plain sentence of some length", 20), ["a plain sentence of", "some length"]);
});

test("what fits nowhere stays whole on its line, so that it can be copied", () => {
  const path = `/tmp/${"x".repeat(60)}/evidence.json`;
  assert.deepEqual(wrap(`evidence  ${path} \\`, 40), [`evidence  ${path} \\`]);
});

test("colours take no width", () => {
  const { dim } = makePaint(true);
  const line = `${dim("title")}  ${dim("one two three four")}`;
  assert.deepEqual(wrap(line, 18).map(stripVTControlCharacters), ["title  one two", "       three four"]);
});

test("acts are set apart by exactly one empty line", () => {
  let text = "";
  const write = (part: string): void => {
    text += part;
  };
  const output = { write, isTerminal: false, columns: 80 };
  const stage = makeStage(output, makePaint(false), 2);
  stage.heading("First");
  stage.say("one\n\n\n");
  stage.heading("Second");
  stage.command("lifeboat list");
  assert.doesNotMatch(text, /\n\n\n/);
  assert.match(text, /^\n?── First ─+ 1 of 2\n\n {2}one\n\n── Second ─+ 2 of 2\n\n {2}\$ lifeboat list\n$/);
});
