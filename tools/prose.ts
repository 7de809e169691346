// Keeps comments, strings, test names, identifiers and documents in plain technical English.
//
//   tools/node/node tools/prose.ts [FOLDER or FILE …]   prints every finding there
//   tools/node/node tools/prose.ts --lower              writes today's counts into tools/prose/allowed.json where they fell
//
// The words are in prose/words.ts and in the "not" column of docs/glossary.md. A folder that is not clean yet has a number in
// prose/allowed.json, which may only fall.
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";
import { type Glossary, readGlossary } from "./prose/glossary.ts";
import { PRIVATE_WORDS, TRADE, TURNS } from "./prose/words.ts";

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly text: string;
  readonly instead: string;
}

const MAX_SENTENCE_WORDS = 20;
const MAX_TEST_NAME = 100;
/** Stands for code between two texts, so that no turn is found across them. */
const CODE = "\u0000";
/** Printed by the program from strings that are checked where they are written. */
const GENERATED = ["docs/commands.md", "docs/errors.md", "docs/configuration.md", "docs/json.md"];
const EXEMPT = [...GENERATED, "docs/glossary.md", "tools/prose/words.ts", "tools/prose.test.ts"];

type Node = { readonly type: string; readonly start: number; readonly end: number } & Readonly<Record<string, unknown>>;

/** The findings of one file. `path` decides how it is read: TypeScript or Markdown. */
export function findingsOf(path: string, source: string, glossary: Glossary): Finding[] {
  return path.endsWith(".md") ? inProse(path, source, proseOfMarkdown(source), glossary) : inTypeScript(path, source, glossary);
}

function inTypeScript(path: string, source: string, glossary: Glossary): Finding[] {
  const parsed = parseSync(path, source);
  if (parsed.errors.length > 0) return [{ path, line: 1, text: "cannot be parsed", instead: parsed.errors[0]?.message ?? "" }];
  const kept: (readonly [start: number, end: number])[] = parsed.comments.map(({ start, end }) => [start, end]);
  const found: Finding[] = [];
  const identifiers = new Map<string, number>();
  const complain = (at: number, text: string, instead: string): void => void found.push({ path, line: lineAt(source, at), text, instead });
  walk(parsed.program as unknown as Node, (node) => {
    if (isText(node)) kept.push([node.start, node.end]);
    if (isIdentifier(node) && !identifiers.has(String(node.name))) identifiers.set(String(node.name), node.start);
    for (const printed of printedTexts(node)) {
      for (const sentence of textOf(printed).split(/[.!?]\s|\n/u)) {
        const words = sentence.split(/\s+/u).filter((word) => /\w/u.test(word)).length;
        if (words > MAX_SENTENCE_WORDS)
          complain(printed.start, `a printed sentence of ${words} words`, `at most ${MAX_SENTENCE_WORDS}, one clause`);
      }
    }
    const name = testName(node);
    if (name !== undefined && name.length > MAX_TEST_NAME)
      complain(node.start, `a test name of ${name.length} characters`, `at most ${MAX_TEST_NAME}`);
    if (isTypeDeclaration(node)) {
      const name = String((node.id as Node).name);
      const instead = glossary.otherSense.get(name.toLowerCase());
      if (instead !== undefined) complain(node.start, `type ${name}`, instead);
      if (/^Held[A-Z]/u.test(name)) complain(node.start, `type ${name}`, "the noun it stands for");
    }
    if (node.type === "MemberExpression" && (node.object as Node).type === "Identifier" && (node.object as Node).name === "held")
      complain(node.start, "held, as a noun", "the noun it stands for");
  });
  for (const [name, at] of identifiers) found.push(...inIdentifier(path, lineAt(source, at), name, glossary));
  return [...found, ...inIdentifier(path, 1, fileName(path), glossary), ...inProse(path, source, mask(source, kept), glossary)].sort(
    (a, b) => a.line - b.line,
  );
}

/** `masked` has the length of `source`, so that places are the same. */
function inProse(path: string, source: string, masked: string, glossary: Glossary): Finding[] {
  const text = TRADE.reduce((rest, { pattern }) => rest.replace(pattern, (match) => CODE.repeat(match.length)), masked);
  const turns = TURNS.flatMap(({ pattern, instead }) => [...text.matchAll(pattern)].map((match) => ({ match, instead })));
  const words = [...text.matchAll(/\p{L}+/gu)].flatMap((match) => {
    const instead = insteadOf(match[0], glossary);
    return instead === undefined ? [] : [{ match, instead }];
  });
  const phrases = glossary.phrases.flatMap(({ pattern, instead }) => [...text.matchAll(pattern)].map((match) => ({ match, instead })));
  return [...turns, ...words, ...phrases].map(({ match, instead }) => ({
    path,
    line: lineAt(source, match.index),
    text: match[0].replace(/\s+/gu, " "),
    instead,
  }));
}

function inIdentifier(path: string, line: number, name: string, glossary: Glossary): Finding[] {
  const words = name.replaceAll(/([a-z0-9])(?=[A-Z])/gu, "$1 ").split(/[^A-Za-z]+/u);
  return words.flatMap((word) => {
    const instead = insteadOf(word, glossary);
    return instead === undefined ? [] : [{ path, line, text: name, instead }];
  });
}

const FORMS: readonly (readonly [ending: RegExp, base: string])[] = [
  [/$/u, ""],
  [/s$/u, ""],
  [/es$/u, ""],
  [/ed$/u, ""],
  [/ed$/u, "e"],
  [/d$/u, ""],
  [/ing$/u, ""],
  [/ing$/u, "e"],
];

function insteadOf(word: string, glossary: Glossary): string | undefined {
  const lower = word.toLowerCase();
  for (const [ending, base] of FORMS) {
    const root = lower.replace(ending, base);
    const instead = (Object.hasOwn(PRIVATE_WORDS, root) ? PRIVATE_WORDS[root] : undefined) ?? glossary.words.get(root);
    if (instead !== undefined) return instead;
  }
  return undefined;
}

/** Comments and strings where they are, without their marks; consecutive lines of one comment flow into each other. */
function mask(source: string, kept: readonly (readonly [number, number])[]): string {
  const sorted = kept.toSorted(([a], [b]) => a - b);
  let text = "";
  for (const [start, end] of sorted) {
    if (start < text.length) continue;
    const between = source.slice(text.length, start);
    text += /^\s*$/u.test(between) ? between : CODE.repeat(between.length);
    text += source
      .slice(start, end)
      .replaceAll(/^\s*(\/\*\*?|\*\/|\*|\/\/)/gmu, (mark) => " ".repeat(mark.length))
      .replaceAll(/\\[nrt"']/gu, "  ");
  }
  return text + CODE.repeat(source.length - text.length);
}

/** Fenced blocks and inline code are not prose. */
const proseOfMarkdown = (source: string): string =>
  source.replaceAll(/^```[\s\S]*?^```|`[^`\n]*`|\]\([^)\n]*\)/gmu, (code) => code.replaceAll(/[^\n]/gu, CODE));

const lineAt = (source: string, at: number): number => source.slice(0, at).split("\n").length;
const fileName = (path: string): string => (path.split("/").at(-1) ?? "").replace(/\..*$/u, "");
const isText = (node: Node): boolean =>
  node.type === "TemplateElement" || (node.type === "Literal" && typeof node.value === "string") || node.type === "JSXText";
const isIdentifier = (node: Node): boolean => node.type === "Identifier" || node.type === "PrivateIdentifier";
const isTypeDeclaration = (node: Node): boolean =>
  ["TSInterfaceDeclaration", "TSTypeAliasDeclaration", "ClassDeclaration"].includes(node.type) && node.id !== null;

/** A string, a template (each expression counts as one word), or strings added up. */
function textOf(node: Node): string {
  if (node.type === "Literal") return typeof node.value === "string" ? node.value : "";
  if (node.type === "TemplateLiteral")
    return (node.quasis as Node[]).map((quasi) => (quasi.value as { readonly cooked: string }).cooked).join("X");
  if (node.type === "BinaryExpression") return textOf(node.left as Node) + textOf(node.right as Node);
  return "";
}

const PRINTED = /^(?:hint|note|notice|warning|advice)$/u;

/** What the program prints as a message: errors, their hints, notes. */
function printedTexts(node: Node): Node[] {
  const args = (node.arguments as Node[] | undefined) ?? [];
  const callee = node.callee as Node | undefined;
  if (node.type === "NewExpression" && /Error$|Fault$/u.test(String(callee?.name))) return args.slice(0, 2);
  if (node.type === "CallExpression" && callee !== undefined) {
    const name = String(((callee.type === "MemberExpression" ? callee.property : callee) as Node).name);
    return /^(?:note|warn|usage|fail|ofRequest|code)$/u.test(name) ? args : [];
  }
  if (node.type === "Property" && PRINTED.test(String((node.key as Node).name))) return [node.value as Node];
  return [];
}

function testName(node: Node): string | undefined {
  if (node.type !== "CallExpression") return undefined;
  const callee = node.callee as Node;
  const name = String(((callee.type === "MemberExpression" ? callee.object : callee) as Node).name);
  const first = (node.arguments as Node[])[0];
  return /^(?:test|it|describe)$/u.test(name) && first !== undefined ? textOf(first) : undefined;
}

function walk(node: Node, visit: (node: Node) => void): void {
  if (node.type === "ImportDeclaration" || node.type === "ExportAllDeclaration") return;
  visit(node);
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (typeof child === "object" && child !== null && typeof (child as Node).type === "string") walk(child as Node, visit);
    }
  }
}

/** The folder whose number a file counts for: at most three names deep, the file itself at the root. */
export const folderOf = (path: string): string => path.split("/").slice(0, -1).slice(0, 3).join("/") || path;

/** What is wrong with the counts: a folder that got worse, or one whose number can be lowered. */
export function ratchet(found: readonly Finding[], allowed: Readonly<Record<string, number>>): string[] {
  const counts = countByFolder(found);
  return [...new Set([...counts.keys(), ...Object.keys(allowed)])].sort().flatMap((folder) => {
    const [now, may] = [counts.get(folder) ?? 0, allowed[folder] ?? 0];
    if (now > may) return [`${folder}: ${now} findings, ${may} allowed: run \`tools/node/node tools/prose.ts ${folder}\``];
    return now < may ? [`${folder}: ${now} findings, ${may} allowed: run \`tools/node/node tools/prose.ts --lower\``] : [];
  });
}

function countByFolder(found: readonly Finding[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { path } of found) counts.set(folderOf(path), (counts.get(folderOf(path)) ?? 0) + 1);
  return counts;
}

/** The findings of every file of the checkout, or of those whose path begins with one of `prefixes`. */
export function findings(root: string, prefixes: readonly string[] = [""]): Finding[] {
  const glossary = readGlossary(readFileSync(join(root, "docs/glossary.md"), "utf8"));
  return globSync(["{src,packages,test,tools,bench,examples}/**/*.{ts,md}", "*.md", "docs/*.md"], {
    cwd: root,
    exclude: ["**/node_modules/**"],
  })
    .filter((path) => !EXEMPT.includes(path) && prefixes.some((prefix) => path.startsWith(prefix)))
    .sort()
    .flatMap((path) => findingsOf(path, readFileSync(join(root, path), "utf8"), glossary));
}

const root = fileURLToPath(new URL("..", import.meta.url));
const allowedFile = join(root, "tools/prose/allowed.json");
const readAllowed = (): Record<string, number> => JSON.parse(readFileSync(allowedFile, "utf8"));

/** A step of `npm run check`. */
export function proseIsPlain(): boolean {
  const wrong = ratchet(findings(root), readAllowed());
  for (const line of wrong) console.error(line);
  return wrong.length === 0;
}

if (import.meta.main) {
  const args = process.argv.slice(2);
  if (args.includes("--lower")) {
    const [counts, allowed] = [countByFolder(findings(root)), readAllowed()];
    const lowered = Object.entries(allowed).map(([folder, may]) => [folder, Math.min(may, counts.get(folder) ?? 0)] as const);
    writeFileSync(allowedFile, `${JSON.stringify(Object.fromEntries(lowered.filter(([, may]) => may > 0)), null, 2)}\n`);
  } else {
    const found = findings(root, args.length > 0 ? args : undefined);
    for (const { path, line, text, instead } of found) console.log(`${path}:${line}: ${text} → ${instead}`);
    console.log(`${found.length} findings`);
  }
}
