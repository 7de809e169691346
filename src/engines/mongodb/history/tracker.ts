// What the entries of an oplog make of the document with one `_id`, in whichever collection it is: collections are renamed.
import type { RowFound } from "../../../core/row-history.ts";
import { type Element, elementNamed, elementsOf, integerOf, TYPE, textOf } from "../bson/bson.ts";
import { applyDiff } from "../oplog/diff.ts";
import type { Entry } from "../oplog/entry.ts";
import { Transactions } from "../oplog/transactions.ts";
import { splitNamespace } from "../scope.ts";
import { conditionOf, looseKey, shownValue, valuesOf } from "./key.ts";

/** A document, that it is not there, that its collection is not there, or why it is not known. */
export type Tracked = { readonly document: Uint8Array } | "no document" | "no collection" | { readonly unknown: string };

/** Types of which two different values may be the same key: numbers, and what may hold some. */
const LOOSE: ReadonlySet<number> = new Set([TYPE.int32, TYPE.int64, TYPE.double, TYPE.document, TYPE.array]);

export class DocumentTracker {
  readonly #wanted: string;
  readonly #id: Element;
  readonly #key: string;
  readonly #databases: ReadonlySet<string>;
  readonly #states = new Map<string, Tracked>();
  readonly #transactions = new Transactions();

  /** `wanted`: the namespace that is asked for. `databases`: of which every collection is known at the beginning. */
  constructor(wanted: string, id: Element, databases: readonly string[]) {
    this.#wanted = wanted;
    this.#id = id;
    this.#key = looseKey(id);
    this.#databases = new Set(databases);
  }

  get state(): Tracked {
    return this.#of(this.#wanted);
  }

  /** A document of the archive, if it is the one. */
  see(ns: string, document: Uint8Array): void {
    if (!this.#mayBe(document)) return;
    const id = elementNamed(document, "_id");
    if (id !== undefined && looseKey(id) === this.#key) this.#states.set(ns, { document: Uint8Array.from(document) });
  }

  /** False for most documents, by their first bytes: `_id` comes first, and what is compared as bytes differs there. */
  #mayBe(document: Uint8Array): boolean {
    if (document[5] !== 0x5f || document[6] !== 0x69 || document[7] !== 0x64 || document[8] !== 0) return true;
    const { type, value } = this.#id;
    if (LOOSE.has(type)) return LOOSE.has(document[4] ?? 0);
    if (document[4] !== type) return false;
    for (let index = 0; index < value.length; index++) if (document[9 + index] !== value[index]) return false;
    return true;
  }

  exists(ns: string): void {
    if (!this.#states.has(ns)) this.#states.set(ns, "no document");
  }

  /** An entry before the first that counts: a transaction may begin there. */
  prepare(entry: Entry): void {
    this.#transactions.take(entry);
  }

  /** What it did to the document in words. Undefined: nothing. */
  take(entry: Entry): string | undefined {
    const inner = this.#transactions.take(entry);
    if (inner === undefined) return entry.op === "c" ? this.#define(entry) : this.#write(entry);
    let told: string | undefined;
    for (const one of inner) told = (one.op === "c" ? this.#define(one) : this.#write(one)) ?? told;
    return told === undefined ? undefined : `transaction with ${told}`;
  }

  #of(ns: string): Tracked {
    const { db } = splitNamespace(ns);
    return this.#states.get(ns) ?? (this.#databases.has(db) ? "no collection" : { unknown: `${db} is not part of this backup` });
  }

  #write(entry: Entry): string | undefined {
    const { op, ns, o, o2 } = entry;
    if (op !== "i" && op !== "u" && op !== "d") return undefined;
    const id = elementNamed(op === "u" ? (o2 ?? o) : o, "_id");
    if (id === undefined || looseKey(id) !== this.#key) return undefined;
    this.#states.set(ns, op === "d" ? "no document" : op === "i" ? { document: Uint8Array.from(o) } : this.#updated(ns, o));
    if (ns !== this.#wanted) return undefined;
    return `${{ i: "insert into", u: "update of", d: "delete from" }[op]} ${ns}`;
  }

  #updated(ns: string, o: Uint8Array): Tracked {
    const version = integerOf(elementNamed(o, "$v"));
    const diff = version === 2 ? elementNamed(o, "diff") : undefined;
    const before = this.#of(ns);
    if (diff?.type === TYPE.document) {
      if (typeof before === "object" && "document" in before) return { document: applyDiff(before.document, diff.value) };
      return typeof before === "object" ? before : { unknown: "an update changes a document that was not there" };
    }
    const isReplacement = version === undefined && !elementsOf(o).some(({ name }) => name.startsWith("$"));
    return isReplacement ? { document: Uint8Array.from(o) } : { unknown: "its update is told in a way that only a server applies" };
  }

  #define({ o, ns }: Entry): string | undefined {
    const [command] = elementsOf(o);
    const { db } = splitNamespace(ns);
    const before = this.state;
    const named = command?.type === TYPE.string ? textOf(command) : "";
    if (command?.name === "drop") this.#states.set(`${db}.${named}`, "no collection");
    else if (command?.name === "create") this.#states.set(`${db}.${named}`, "no document");
    else if (command?.name === "dropDatabase") {
      for (const one of this.#states.keys()) if (splitNamespace(one).db === db) this.#states.set(one, "no collection");
    } else if (command?.name === "renameCollection") {
      const to = elementNamed(o, "to");
      if (to?.type === TYPE.string) this.#states.set(textOf(to), this.#of(named));
      this.#states.set(named, "no collection");
    }
    return this.state === before ? undefined : `${command?.name ?? "command"} of ${this.#wanted}`;
  }
}

/** As the port says. `id`: as it was asked for. */
export function foundOf(tracked: Exclude<Tracked, { unknown: string }>, table: string, id: Element): RowFound {
  if (tracked === "no collection") return { missing: "table" };
  const document = tracked === "no document" ? undefined : tracked.document;
  const own = (document && elementNamed(document, "_id")) ?? id;
  return { row: document && valuesOf(document), named: { table, key: { _id: shownValue(own) }, condition: conditionOf(own) } };
}
