// A server's data at one instant: references to versions, not a copy. Another server can load it.
import type { Document } from "bson";
import { type Definition, definitionAt, type Kind } from "./catalog.ts";
import { type Instant, instantOf, LATEST, type Position, positionAt } from "./position.ts";
import type { Raw } from "./raw.ts";
import type { Store } from "./store.ts";
import { fillUnique } from "./unique.ts";
import { idKeyOf, Records } from "./versions.ts";

export interface StateCollection {
  readonly db: string;
  readonly name: string;
  readonly kind: Kind;
  readonly uuid: Buffer | undefined;
  readonly options: Document;
  readonly indexes: readonly Document[];
  /** Every document, in record order. May be read again and again, later changes of the server notwithstanding. */
  documents(): Iterable<Raw>;
}

export interface MongoState {
  /** The last position that is in it. */
  readonly at: Instant;
  readonly collections: readonly StateCollection[];
}

/** `before`: all before that second or position; `through`: all up to and including it. */
export type StateRule = "before" | "through";

export function positionFor(at: Date | Instant, rule: StateRule): Position {
  if (at instanceof Date) {
    const second = Math.floor(at.getTime() / 1000);
    return (rule === "before" ? positionAt(second, 0) : positionAt(second + 1, 0)) - 1;
  }
  return positionAt(at.t, at.i) - (rule === "before" ? 1 : 0);
}

/** The data as of a position. Reading it later gives the same, since versions are never deleted. */
export function stateOf(store: Store, position: Position): MongoState {
  const at = Math.min(position, store.last);
  const collections = store.catalog.at(at).map((namespace): StateCollection => {
    const { options, indexes }: Definition = definitionAt(namespace, at);
    const { db, name, kind, records } = namespace;
    return { db, name, kind, uuid: records?.uuid, options, indexes, documents: () => records?.scan(at) ?? [] };
  });
  return { at: instantOf(at), collections };
}

/** Replaces the server's data. Bytes are shared with their origin. The oplog begins anew, later than any entry before. */
export function takeOver(store: Store, state: MongoState): void {
  const taken = state.collections.map((each) => ({ ...each, all: [...each.documents()] }));
  store.reset();
  const from = store.tick();
  for (const { db, name, kind, uuid, options, indexes, all } of taken) {
    const records = uuid === undefined ? undefined : new Records(uuid);
    for (const raw of all) records?.insert(idKeyOf(raw), raw, from);
    const namespace = store.catalog.add({ db, name, kind, records, from, to: LATEST, definitions: [{ from, options, indexes }] });
    for (const spec of indexes) if (spec.unique === true) fillUnique(namespace, spec);
  }
  store.epoch = from;
  store.logNoop({ msg: "restored" });
}
