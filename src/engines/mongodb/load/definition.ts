// How a collection is made again: what its creation says, what waits until its documents are there, and what comes last of all.
import type { Document } from "mongodb";
import { fieldOf, type OrderedDocument } from "../archive/ejson.ts";
import type { Metadata } from "../archive/metadata.ts";
import { NEVER_SECONDS } from "../ttl/ttl.ts";

/** Rules would refuse documents that were there before the rule; expiry would remove documents that were due. */
const LATER = new Set(["validator", "validationLevel", "validationAction"]);
const LAST = new Set(["expireAfterSeconds"]);
/** Options that a server reports and does not accept. */
const NEVER = new Set(["uuid", "autoIndexId", "flags", "temp"]);

export interface Definition {
  /** For `create`, without the name. */
  readonly create: Document;
  /** For `collMod` once the documents are there; undefined when there is nothing. */
  readonly later?: Document | undefined;
  /** For `createIndexes`, which makes them after the documents. Those with an expiry are made with one that is never due. */
  readonly indexes: readonly Document[];
  /** For `collMod`, when the copy has been compared: from then on the server removes what is due. */
  readonly last: readonly Document[];
}

export function definitionOf({ options, indexes }: Metadata): Definition {
  const entries = entriesOf(options).filter(([name]) => !NEVER.has(name));
  const pick = (wanted: (name: string) => boolean): Document => Object.fromEntries(entries.filter(([name]) => wanted(name)));
  const later = pick((name) => LATER.has(name));
  const expiry = pick((name) => LAST.has(name));
  const collated = entries.some(([name]) => name === "collation");
  const own = indexes.filter((index) => !isOfTheServer(index)).map((index) => indexOf(index, collated));
  return {
    create: pick((name) => !LATER.has(name) && !LAST.has(name)),
    ...(Object.keys(later).length === 0 ? {} : { later }),
    indexes: own.map(({ index }) => index),
    last: [...(Object.keys(expiry).length === 0 ? [] : [expiry]), ...own.flatMap(({ last }) => (last === undefined ? [] : [last]))],
  };
}

/** The index on `_id`, which every collection has from the start; the one that a clustered collection is. */
function isOfTheServer(index: OrderedDocument): boolean {
  const key = entriesOf((fieldOf(index, "key") ?? {}) as OrderedDocument);
  const onId = key.length === 1 && key[0]?.[0] === "_id" && typeof key[0][1] !== "string";
  return (
    fieldOf(index, "clustered") !== undefined || (onId && (fieldOf(index, "name") === "_id_" || fieldOf(index, "unique") === undefined))
  );
}

/** In a collection with a collation, an index without one compares bytes, and has to say so: it would get the collection's. */
function indexOf(given: OrderedDocument, collated: boolean): { readonly index: Document; readonly last?: Document } {
  // `ns` named the database of the source; a version 0 can be made by no server that is spoken to.
  const kept = entriesOf(given).filter(([name, value]) => name !== "ns" && !(name === "v" && Number(value) < 1));
  const index: Document = Object.fromEntries(kept);
  if (collated && Number(index.v ?? 2) >= 2) index.collation ??= { locale: "simple" };
  const { name, expireAfterSeconds } = index;
  const due = Number(expireAfterSeconds);
  if (!(due >= 0 && due < NEVER_SECONDS)) return { index };
  return { index: { ...index, expireAfterSeconds: NEVER_SECONDS }, last: { index: { name, expireAfterSeconds } } };
}

const entriesOf = (document: OrderedDocument): [string, unknown][] =>
  document instanceof Map ? [...document.entries()] : Object.entries(document);
