// Present and past namespaces: definitions are versioned like documents.
import type { Document } from "bson";
import { LATEST, type Position } from "./position.ts";
import type { Records } from "./versions.ts";

/** A namespace's definition from one position on. Never changed, only followed by another. */
export interface Definition {
  readonly from: Position;
  /** As they were given to `create`, without the name. Typed values. */
  readonly options: Document;
  /** As `listIndexes` shows them, `_id_` first. Typed values. */
  readonly indexes: readonly Document[];
}

export type Kind = "collection" | "view" | "timeseries";

export interface Namespace {
  readonly db: string;
  readonly name: string;
  readonly kind: Kind;
  /** Of views and of a time series' front: none of their own. */
  readonly records: Records | undefined;
  readonly from: Position;
  /** First position at which it does not exist. */
  to: Position;
  definitions: readonly Definition[];
}

export const fullName = (db: string, name: string): string => `${db}.${name}`;

/** A namespace's definition at a position. */
export function definitionAt(namespace: Namespace, at: Position): Definition {
  let found = namespace.definitions[0] as Definition;
  for (const each of namespace.definitions) if (each.from <= at) found = each;
  return found;
}

export const definitionOf = (namespace: Namespace): Definition => namespace.definitions.at(-1) as Definition;

export class Catalog {
  readonly #live = new Map<string, Namespace>();
  readonly #all: Namespace[] = [];

  find(db: string, name: string, at: Position = LATEST): Namespace | undefined {
    if (at >= LATEST) return this.#live.get(fullName(db, name));
    return this.#all.find((each) => each.db === db && each.name === name && each.from <= at && at < each.to);
  }

  /** All namespaces at a position, in the order of their making. */
  at(position: Position = LATEST): Namespace[] {
    if (position >= LATEST) return [...this.#live.values()];
    return this.#all.filter((each) => each.from <= position && position < each.to);
  }

  in(db: string, at: Position = LATEST): Namespace[] {
    return this.at(at).filter((each) => each.db === db);
  }

  add(namespace: Namespace): Namespace {
    this.#live.set(fullName(namespace.db, namespace.name), namespace);
    this.#all.push(namespace);
    return namespace;
  }

  end(namespace: Namespace, to: Position): void {
    namespace.to = to;
    this.#live.delete(fullName(namespace.db, namespace.name));
  }

  define(namespace: Namespace, definition: Definition): void {
    namespace.definitions = [...namespace.definitions, definition];
  }
}
