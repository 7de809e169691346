import assert from "node:assert/strict";
import { test } from "node:test";
import { NotYaml, parseYaml, type YamlNode } from "./yaml.ts";

function meaningOf(node: YamlNode | undefined): unknown {
  if (node === undefined) return undefined;
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(meaningOf);
  return Object.fromEntries(node.pairs.map(([key, value]) => [meaningOf(key), meaningOf(value)]));
}

test("R52 a configuration means what YAML 1.2 says: yes, on and dates are texts", () => {
  const text = [
    ...["a: yes", "b: 2026-10-25", "c: 12:30:45", "d: 0o14", "e: 012", "f: TRUE", "g: ~", "h:", "i: '1'", 'j: "x\\ty"', "k: !!str 5"],
    ...["l: |", "  x", "   y", "m: >-", "  x", "  y", "n: &n { p: [1, 2.5, ] }", "o: *n"],
  ].join("\r\n");
  assert.deepEqual(meaningOf(parseYaml(text)), {
    ...{ a: "yes", b: "2026-10-25", c: "12:30:45", d: 12, e: 12, f: true, g: null, h: null, i: "1", j: "x\ty", k: "5" },
    ...{ l: "x\n y\n", m: "x y", n: { p: [1, 2.5] }, o: { p: [1, 2.5] } },
  });
  for (const empty of ["", "# nothing\n", "---\n", "\uFEFF"]) assert.equal(parseYaml(empty), undefined);
});

/** The text with the place of the fault marked by `^`. */
const FAULTS: readonly (readonly [text: string, said: RegExp])[] = [
  ["a: 1\n^\tb: 2", /tabs cannot indent: use spaces/],
  ["a: ^!vault hunter2", /^a tag \(!…\) has no meaning here: a text that begins with ! needs quotes$/],
  ["a: ^!!int hunter2", /^a tag/],
  ["a: !hun,ter2^ x", /a tag/],
  ["cron: at^: 2", /a text with ": " in it needs quotes/],
  ["{ cron: at^: 2 }", /a text with ": " in it needs quotes/],
  ["cron: *^ 2 * * *", /a text that begins with \* or & needs quotes/],
  ["a: ^*b", /^this alias names nothing that came before$/],
  ["a: ^@b", /a text that begins with @, ` or % needs quotes/],
  ["a: ^- b", /a list begins on a line of its own/],
  ["a: 'it'^s'", /a text ends with its quote/],
  ["a: 1\n b^: 2", /lines of one level have one indentation/],
  ["a:\n    b: 1\n   ^c: 2", /indented otherwise/],
  ["a:b\nc^: d", /a key before this one needs a space behind its colon/],
  ["  a: 1\n^b: 2", /not indented like those above/],
  ["{ a: [b, c ^}", /a comma or a closing bracket is missing/],
  ["a: [1, 2\n^b: 1", /a bracket or a quote before this place is not closed/],
  ["a: 1\n^---\nb: 2", /^a second document starts here/],
];

for (const [marked, said] of FAULTS) {
  test(`R52 a fault of syntax is told by its usual cause, at its place: ${JSON.stringify(marked)}`, () => {
    assert.throws(
      () => parseYaml(marked.replace("^", "")),
      (error) => {
        assert.ok(error instanceof NotYaml);
        assert.match(error.message, said);
        assert.doesNotMatch(error.message, /hun|ter2/);
        assert.equal(error.at, marked.indexOf("^"));
        return true;
      },
    );
  });
}
