// `${NAME}`, `${NAME:-default}` and `${file:/path}` in configuration values; `$${` is a plain `${`.
//
// References are encoded before YAML sees the text (each character to one of a private range, so positions stay) and are
// decoded in the values: braces then need no quotes inside `{ … }`, and a variable's value can never become YAML syntax.

const REFERENCE = /\$\$\{|\$\{[^}\n]*\}/g;
const ENCODED = /[\uE000-\uE07F]+/g;
const BASE = 0xe000;

function shift(text: string, by: number): string {
  let shifted = "";
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    const inside = by > 0 ? unit < 0x80 : unit >= BASE && unit < BASE + 0x80;
    shifted += inside ? String.fromCharCode(unit + by) : text[at];
  }
  return shifted;
}

/** The text with every reference made opaque to YAML; same length, same lines. */
export function encodeReferences(text: string): string {
  return text.replace(REFERENCE, (reference) => shift(reference, BASE));
}

/** The text as it was written. */
export function decodeReferences(text: string): string {
  return text.replace(ENCODED, (run) => shift(run, -BASE));
}

/** Whether the text has an encoded reference. */
export const isEncoded = (text: string): boolean => text.search(ENCODED) >= 0;

export interface Lookup {
  variable(name: string): string | undefined;
  /** Content of a file, without its last line end; throws a LifeboatError that says why not. */
  file(path: string): string;
}

export interface Interpolated {
  readonly value: string;
  /** Contents of files: secret wherever they stand. */
  readonly secrets: readonly string[];
  /** Variables that are not set. When there is one, the value means nothing. */
  readonly missing: readonly string[];
  /** What is wrong with how a reference is written. */
  readonly malformed?: string | undefined;
  /** Variables and files that it refers to. */
  readonly origins: readonly string[];
}

/** Replaces the references of one encoded scalar. An empty variable counts as not set, as in a shell's `:-`. */
export function interpolate(encoded: string, lookup: Lookup): Interpolated {
  const secrets: string[] = [];
  const missing: string[] = [];
  let malformed: string | undefined;
  const origins: string[] = [];
  const value = encoded.replace(ENCODED, (run) =>
    shift(run, -BASE).replace(REFERENCE, (reference) => {
      if (reference === "$${") return "${";
      const inside = reference.slice(2, -1);
      origins.push(inside.replace(/^file:|:-.*$/gs, ""));
      if (inside.startsWith("file:")) {
        const content = lookup.file(inside.slice("file:".length));
        secrets.push(content);
        return content;
      }
      const match = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inside);
      const name = match?.[1];
      if (name === undefined) {
        malformed = `${reference} is not a reference: write \${NAME}, \${NAME:-default} or \${file:/path}`;
        return "";
      }
      const found = lookup.variable(name);
      if (found !== undefined && found !== "") return found;
      if (match?.[2] !== undefined) return match[2];
      missing.push(name);
      return "";
    }),
  );
  return { value, secrets, missing, malformed, origins };
}
