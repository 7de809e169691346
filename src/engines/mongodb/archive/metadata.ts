// The metadata of a collection, as mongodump writes it into the prelude: options, indexes, uuid and type.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { documentOf, type Element, elementsOf, TYPE } from "../bson/bson.ts";
import { fieldOf, fromEjson, isDocument, type OrderedDocument, toEjson } from "./ejson.ts";

/** A collection as the server describes it, in raw BSON. */
export interface RawDefinition {
  /** A user's own name for it, without `system.buckets.`. */
  readonly collection: string;
  readonly type: "collection" | "view" | "timeseries";
  /** As `listCollections` gives them. */
  readonly options: Uint8Array;
  /** As `listIndexes` gives them; of a view none. */
  readonly indexes: readonly Uint8Array[];
  /** 32 hexadecimal digits; a view has none. */
  readonly uuid?: string | undefined;
}

export function writeMetadata({ collection, type, options, indexes, uuid }: RawDefinition): string {
  const fields = [
    ...(options.length > 5 ? [documentField("options", options)] : []),
    arrayField("indexes", indexes),
    ...elementsOf(serialize({ ...(uuid === undefined ? {} : { uuid }), collectionName: collection, type })),
  ];
  return toEjson(documentOf(fields));
}

const documentField = (name: string, value: Uint8Array): Element => ({ type: TYPE.document, name, value });

function arrayField(name: string, documents: readonly Uint8Array[]): Element {
  const value = documentOf(documents.map((each, index) => documentField(String(index), each)));
  return { type: TYPE.array, name, value };
}

/** What an archive says of a collection, as values for the driver. */
export interface Metadata {
  readonly options: OrderedDocument;
  readonly indexes: readonly OrderedDocument[];
  /** Absent for a view, and of tools older than 4.0. */
  readonly uuid?: string | undefined;
}

/** INTEGRITY when the text is none. An empty one, as of the oplog, is that of a collection without options and indexes. */
export function readMetadata(text: string): Metadata {
  if (text === "") return { options: {}, indexes: [] };
  const document = fromEjson(text);
  const options = fieldOf(document, "options") ?? {};
  const indexes = fieldOf(document, "indexes") ?? [];
  const uuid = fieldOf(document, "uuid");
  if (!isDocument(options) || !Array.isArray(indexes) || !indexes.every(isDocument)) {
    throw new LifeboatError("INTEGRITY", "a collection's metadata in the archive has no options or indexes that can be read");
  }
  return { options, indexes, ...(typeof uuid === "string" && uuid !== "" ? { uuid } : {}) };
}
