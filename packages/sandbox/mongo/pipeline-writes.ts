// The stages that end a pipeline by writing: `$out` puts a collection in the place of another, `$merge` works document by document.
import type { Document } from "bson";
import { definitionOf, fullName } from "./catalog.ts";
import { renameNamespace } from "./definitions.ts";
import { MongoFault } from "./errors.ts";
import { findField, type Raw, typedOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { fillUnique } from "./unique.ts";
import { matchingSlots, updateMatching } from "./update.ts";
import { insertDocument } from "./writes.ts";

interface Place {
  readonly db: string;
  readonly name: string;
}

const placeOf = (db: string, into: unknown): Place =>
  typeof into === "string" ? { db, name: into } : { db: String((into as Document).db ?? db), name: String((into as Document).coll) };

let outputs = 0;

export function writeOut(store: Store, db: string, documents: Iterable<Raw>, into: unknown): void {
  const place = placeOf(db, into);
  const all = [...documents];
  const known = store.find(place.db, place.name);
  const made = store.create(place.db, `tmp.agg_out.${++outputs}`, "collection", known === undefined ? {} : definitionOf(known).options);
  if (known !== undefined) store.define(made, { indexes: definitionOf(known).indexes }, store.last);
  for (const spec of definitionOf(made).indexes) if (spec.unique === true) fillUnique(made, spec);
  for (const raw of all) insertDocument(store, made, raw);
  renameNamespace(store, fullName(place.db, made.name), fullName(place.db, place.name), true);
}

export function writeMerge(store: Store, db: string, documents: Iterable<Raw>, request: Document | string): void {
  const {
    into,
    on = "_id",
    whenMatched = "merge",
    whenNotMatched = "insert",
  } = typeof request === "string" ? { into: request } : (request as Document);
  const { db: target, name } = placeOf(db, into);
  const fields: string[] = Array.isArray(on) ? on : [on];
  for (const raw of [...documents]) {
    const document = typedOf(raw);
    const namespace = store.ensure(target, name);
    const filter = Object.fromEntries(fields.map((field) => [field, document[field] ?? null]));
    const [known] = findField(raw, fields[0] as string) === undefined ? [] : matchingSlots(namespace, filter);
    if (known === undefined) {
      if (whenNotMatched === "fail") throw new MongoFault(13113, "$merge could not find a matching document in the target collection");
      if (whenNotMatched === "insert") insertDocument(store, namespace, raw);
      continue;
    }
    if (whenMatched === "keepExisting") continue;
    if (whenMatched === "fail") throw new MongoFault(11000, "$merge failed with a matching document in the target collection");
    const { _id, ...rest } = document;
    const u = Array.isArray(whenMatched) ? whenMatched : { $set: rest };
    const statement = { q: filter, u: whenMatched === "replace" ? document : u, c: { new: document } };
    updateMatching(store, { db: target, name, statement, replacement: raw, options: {} });
  }
}
