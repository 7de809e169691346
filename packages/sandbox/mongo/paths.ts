// Dotted paths through documents and arrays, as queries walk them.
import type { Document } from "bson";
import { isPlain } from "./values.ts";

const isIndex = (part: string): boolean => /^\d+$/.test(part);

/** Every value that a path leads to, arrays on the way entered by element and by number; undefined where there is none. */
export function reach(value: unknown, parts: readonly string[], depth = 0): unknown[] {
  if (depth === parts.length) return [value];
  const part = parts[depth] as string;
  if (Array.isArray(value)) {
    const found: unknown[] = [];
    if (isIndex(part) && Number(part) < value.length) found.push(...reach(value[Number(part)], parts, depth + 1));
    for (const each of value) if (isPlain(each)) found.push(...reach(each, parts, depth));
    return found;
  }
  if (isPlain(value)) return reach(Object.hasOwn(value, part) ? value[part] : undefined, parts, depth + 1);
  return [undefined];
}

/** Values that a predicate is held against: what the path leads to, and the elements of what is an array. */
export function candidates(document: Document, parts: readonly string[]): unknown[] {
  const single = parts.length === 1 ? document[parts[0] as string] : undefined;
  if (parts.length === 1 && !Array.isArray(single)) return [Object.hasOwn(document, parts[0] as string) ? single : undefined];
  const leaves = reach(document, parts);
  const found = [...leaves];
  for (const leaf of leaves) if (Array.isArray(leaf)) found.push(...leaf);
  return found;
}
