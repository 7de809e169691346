// The guard of the language sees what it must, leaves alone what is plain, and the project passes it.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readGlossary } from "./prose/glossary.ts";
import { type Finding, findingsOf, folderOf, ratchet } from "./prose.ts";

const root = join(import.meta.dirname, "..");
const glossary = readGlossary(readFileSync(join(root, "docs/glossary.md"), "utf8"));
const inCode = (source: string): Finding[] => findingsOf("src/a/b.ts", source, glossary);

const LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen";

/** Each planted text, and the line and text that must be found. */
const PLANTED: readonly (readonly [title: string, source: string, line: number, text: RegExp])[] = [
  ["a forbidden word in a comment", "\n// somebody wrote it", 2, /^somebody$/],
  ["a forbidden word in a string", 'const a = "read by whoever asks";', 1, /^whoever$/],
  ["a forbidden word in a template", `const a = \`$\{1} of nobody\`;`, 1, /^nobody$/],
  ["a forbidden word at the beginning", "// Whatever comes.", 1, /^Whatever$/],
  ["a turn over two lines of a comment", "// Everything\n// that is there.", 1, /^Everything that$/],
  ["a turn over two lines of a doc comment", "/**\n * It is\n * no error.\n */\nconst a = 1;", 2, /^is no error$/],
  ["for ever", "// kept for ever", 1, /^for ever$/],
  ["goes for expires", '"it goes after 7 days";', 1, /^goes after$/],
  ["needed for required", '"--name is needed";', 1, /^is needed$/],
  ["as it stands", "// restored as it stands", 1, /^as it stands$/],
  ["a private noun as a name", "const recoveryCourse = 1;", 1, /^recoveryCourse$/],
  ["a private noun in the plural", "interface Workshops { a: 1 }", 1, /^Workshops$/],
  ["a private verb", "journal.strike(1);", 1, /^strike$/],
  ["held as a noun", "held.release();", 1, /^held, as a noun$/],
  ["a word that the glossary forbids", "// the vault; a dry-run of it", 1, /^dry-run$/],
  ["a word that the glossary forbids, as a name", "const doctor = 1;", 1, /^doctor$/],
  ["a type named by a word with another meaning", "export interface Driver { a: 1 }", 1, /^type Driver$/],
  ["a long printed sentence", `throw new LifeboatError("USAGE", \`${LONG} \${1} \${2} \${3}\`);`, 1, /printed sentence of 21 words/],
  ["a long hint", `const a = { hint: "${LONG} nineteen twenty more" };`, 1, /printed sentence of 21 words/],
  ["a long name of a test", `test("${"a".repeat(101)}", () => {});`, 1, /test name of 101 characters/],
];

for (const [title, source, line, text] of PLANTED) {
  test(`the guard of the language finds ${title}`, () => {
    const found = inCode(source);
    assert.ok(
      found.some((finding) => finding.line === line && text.test(finding.text) && finding.instead !== ""),
      JSON.stringify(found),
    );
  });
}

test("the guard of the language finds a forbidden word in the name of a file and in Markdown", () => {
  assert.equal(findingsOf("src/core/stretch.ts", "", glossary)[0]?.text, "stretch");
  assert.deepEqual(
    findingsOf("docs/a.md", "One.\n\nTwo is no\nthree. `whatever` [a](whatever.md)\n\n```\nwhatever\n```\n", glossary).map(
      ({ line, text }) => [line, text],
    ),
    [[3, "is no three"]],
  );
});

test("the guard of the language leaves plain English alone", () => {
  const plain = [
    "// Of course there is no error; it is no longer held. The lease is no older than that.",
    'import { a } from "./stretch.ts";',
    "const indexes = 1, lockFile = 2, versions = 3, background = 4;",
    "export interface RecoveryTarget { held: boolean }",
    'const two = ["every"]; const three = ["thing that"];',
    `throw new LifeboatError("USAGE", "${LONG}. ${LONG}");`,
  ];
  assert.deepEqual(inCode(plain.join("\n")), []);
});

test("the count of a folder may only fall, and must be lowered when it did", () => {
  const found = [1, 2].map((line) => ({ path: "src/core/a.ts", line, text: "nobody", instead: "no user" }));
  assert.deepEqual(ratchet(found, { "src/core": 2 }), []);
  assert.match(ratchet(found, { "src/core": 1 })[0] ?? "", /^src\/core: 2 findings, 1 allowed: run `.*prose.ts src\/core`$/);
  assert.match(ratchet(found, { "src/core": 3 })[0] ?? "", /run `.* --lower`$/);
  assert.match(ratchet([], { "src/core": 1 })[0] ?? "", /--lower/);
  assert.deepEqual(["README.md", "src/a.ts", "src/a/b/c/d.ts"].map(folderOf), ["README.md", "src", "src/a/b"]);
});

test("the glossary names its terms, and keeps apart words that are never used and words with another meaning", () => {
  assert.ok(glossary.terms.includes("restore point") && glossary.terms.length > 30);
  assert.ok(glossary.words.has("binlog") && !glossary.words.has("index"));
  assert.ok(glossary.otherSense.has("index"));
});
