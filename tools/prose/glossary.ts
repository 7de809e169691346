// Reads docs/glossary.md: the one list of the terms, and of the words that are not used for them.

export interface Glossary {
  readonly terms: readonly string[];
  /** Single words that are never used, each with the term. */
  readonly words: ReadonlyMap<string, string>;
  /** The same for several words. */
  readonly phrases: readonly { readonly pattern: RegExp; readonly instead: string }[];
  /** Words with another meaning, given in parentheses: only a type must not bear them as its name. */
  readonly otherSense: ReadonlyMap<string, string>;
}

export function readGlossary(markdown: string): Glossary {
  const rows = [...markdown.matchAll(/^\|([^|]*)\|([^|]*)\|([^|]*)\|$/gmu)]
    .map(([, , term = "", not = ""]) => ({ term: term.trim(), not: not.trim() }))
    .filter(({ term }) => term.includes("**"));
  const terms = rows.flatMap(({ term }) => [...term.matchAll(/\*\*([^*]+)\*\*/gu)].map(([, name = ""]) => name));
  const words = new Map<string, string>();
  const otherSense = new Map<string, string>();
  const phrases: { pattern: RegExp; instead: string }[] = [];
  for (const { term, not } of rows) {
    const instead = term.replaceAll("**", "");
    for (const entry of not.split(/,\s*(?![^(]*\))/u).filter((text) => text !== "")) {
      const [, word = "", sense] = /^([^(]+?)\s*(\(.*\))?$/u.exec(entry) ?? [];
      if (sense !== undefined) otherSense.set(word.toLowerCase(), instead);
      else if (word.includes(" ")) phrases.push({ pattern: new RegExp(`\\b${word.replaceAll(" ", "[\\s-]+")}\\b`, "giu"), instead });
      else words.set(word.toLowerCase(), instead);
    }
  }
  return { terms, words, phrases, otherSense };
}
