// Where in a document an update operator works: dotted paths with positions (`$`, `$[]`, `$[name]`).
import type { Document } from "bson";
import { CommandError } from "./errors.ts";
import { compileFilter, compilePredicate } from "./match.ts";
import { isPlain } from "./values.ts";

export interface PathContext {
  readonly filter: Document;
  readonly arrayFilters: readonly Document[];
}

/** A field that can be read, set and removed. */
export interface Place {
  get(): unknown;
  set(value: unknown): void;
  remove(): void;
}

/** The fields that a path names in a document; missing parents are made where `make` says so. */
export function placesOf(document: Document, path: string, context: PathContext, make: boolean): Place[] {
  return walk(document, path.split("."), 0, context, make, path);
}

function walk(holder: unknown, parts: readonly string[], depth: number, context: PathContext, make: boolean, path: string): Place[] {
  const part = parts[depth] as string;
  if (Array.isArray(holder) && part.startsWith("$")) {
    return indexesOf(holder, part, parts.slice(0, depth).join("."), parts.slice(depth + 1), context).flatMap((index) =>
      step(holder, String(index), parts, depth, context, make, path),
    );
  }
  return step(holder, part, parts, depth, context, make, path);
}

function step(
  holder: unknown,
  part: string,
  parts: readonly string[],
  depth: number,
  context: PathContext,
  make: boolean,
  path: string,
): Place[] {
  if (Array.isArray(holder) ? !/^\d+$/.test(part) : !isPlain(holder)) {
    if (!make) return [];
    throw new CommandError(28, `Cannot create field '${part}' in element reached by '${path}'`);
  }
  const container = holder as Document;
  if (depth === parts.length - 1) return [placeAt(container, part)];
  if (container[part] === undefined || (container[part] === null && !make)) {
    if (!make) return [];
    placeAt(container, part).set({});
  }
  return walk(container[part], parts, depth + 1, context, make, path);
}

function placeAt(holder: Document, part: string): Place {
  return {
    get: () => (Object.hasOwn(holder, part) ? holder[part] : undefined),
    set: (value) => {
      if (Array.isArray(holder)) while (holder.length < Number(part)) holder.push(null);
      holder[part] = value;
    },
    remove: () => {
      if (Array.isArray(holder)) holder[Number(part)] = null;
      else delete holder[part];
    },
  };
}

function indexesOf(array: readonly unknown[], part: string, before: string, after: readonly string[], context: PathContext): number[] {
  const all = array.map((_, index) => index);
  if (part === "$[]") return all;
  if (part === "$") {
    const found = positionOf(array, before, context.filter);
    if (found < 0) throw new CommandError(2, "The positional operator did not find the match needed from the query.");
    return [found];
  }
  const name = /^\$\[(\w+)\]$/.exec(part)?.[1];
  const filter = context.arrayFilters.find((each) => Object.keys(each).some((key) => key === name || key.startsWith(`${name}.`)));
  if (name === undefined || filter === undefined)
    throw new CommandError(2, `No array filter found for identifier '${name}' in path '${[before, part, ...after].join(".")}'`);
  const test = compileFilter(filter);
  return all.filter((index) => test === undefined || test({ [name]: array[index] }));
}

/** The first element that matches the query's conditions on this array. */
function positionOf(array: readonly unknown[], path: string, filter: Document): number {
  for (const [name, condition] of Object.entries(filter)) {
    if (name === "$and") {
      for (const each of condition as Document[]) {
        const found = positionOf(array, path, each);
        if (found >= 0) return found;
      }
    } else if (name === path || name.startsWith(`${path}.`)) {
      const rest = name.slice(path.length + 1);
      if (rest !== "") {
        const test = compileFilter({ [rest]: condition });
        return array.findIndex((each) => isPlain(each) && (test?.(each) ?? true));
      }
      const test = compilePredicate(condition);
      return array.findIndex((each) => test([[each]]) || test([each]));
    }
  }
  return -1;
}
