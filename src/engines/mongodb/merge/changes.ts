// A change set of documents: what is to become of each, by its `_id`, with the digest that it has before. An undo set is one.
//
// The format is public: BSON documents one after another, which `bsondump` shows. The first is a header, each other is
// { ns, expect: digest or null, id: the _id, want: the document; absent: it is deleted }.
import { serialize } from "bson";
import { LifeboatError } from "../../../core/errors.ts";
import { documentOf, type Element, elementNamed, elementsOf, int32At, LARGEST_DOCUMENT_BYTES, TYPE, textOf } from "../bson/bson.ts";
import { idKey } from "../oplog/documents.ts";
import { type Namespace, splitNamespace } from "../scope.ts";
import { digestOf } from "./compare.ts";

export interface StoredChange {
  readonly place: Namespace;
  readonly id: Element;
  readonly key: string;
  /** SHA-256 of the document before; null: there is none. */
  readonly expect: string | null;
  readonly document: Uint8Array | undefined;
  readonly want: string | null;
}

/** An undo reads its whole set into memory; a merge that would need a larger one is refused before it changes anything. */
export const LARGEST_SET_BYTES = 256 * 1024 * 1024;

export const header = (): Uint8Array => serialize({ lifeboat: "changes", format: 1, engine: "mongodb" });

export function writeChange(
  { db, collection }: Namespace,
  id: Element,
  expect: string | null,
  document: Uint8Array | undefined,
): Uint8Array {
  const want = document === undefined ? [] : [{ name: "want", type: TYPE.document, value: document }];
  return documentOf([...elementsOf(serialize({ ns: `${db}.${collection}`, expect })), { ...id, name: "id" }, ...want]);
}

/** INTEGRITY for what is not a change set, or not a whole one. CAPABILITY_MISSING for one that is too large. */
export async function readChanges(bytes: AsyncIterable<Uint8Array>): Promise<StoredChange[]> {
  const changes: StoredChange[] = [];
  let rest: Buffer = Buffer.alloc(0);
  let sizeBytes = 0;
  let isBegun = false;
  for await (const chunk of bytes) {
    sizeBytes += chunk.length;
    if (sizeBytes > LARGEST_SET_BYTES) throw tooLarge();
    rest = Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 4) {
      const length = int32At(rest, at);
      if (length < 5 || length > 2 * LARGEST_DOCUMENT_BYTES) throw notChanges("a document of it is damaged");
      if (rest.length - at < length) break;
      const document = Uint8Array.from(rest.subarray(at, at + length));
      if (isBegun) changes.push(changeOf(document));
      else if (Buffer.compare(document, header()) !== 0) throw notChanges("it has no header");
      isBegun = true;
      at += length;
    }
    rest = rest.subarray(at);
  }
  if (!isBegun || rest.length > 0) throw notChanges("it is not whole");
  return changes;
}

function changeOf(bytes: Uint8Array): StoredChange {
  const [ns, expect, found, want] = ["ns", "expect", "id", "want"].map((name) => elementNamed(bytes, name));
  if (ns?.type !== TYPE.string || found === undefined) throw notChanges("a document of it names no place");
  const id = { ...found, name: "_id" };
  const document = want?.type === TYPE.document ? want.value : undefined;
  return {
    place: splitNamespace(textOf(ns)),
    id,
    key: idKey(id),
    expect: expect?.type === TYPE.string ? textOf(expect) : null,
    document,
    want: document === undefined ? null : digestOf(document),
  };
}

const notChanges = (why: string): LifeboatError =>
  new LifeboatError("INTEGRITY", `this is not a change set: ${why}`, { hint: "choose another job; `lifeboat jobs` lists them" });

export const tooLarge = (): LifeboatError =>
  new LifeboatError("CAPABILITY_MISSING", "the documents to change are larger than 256 MB together, which an undo could not hold", {
    hint: "choose fewer documents with --where, or restore the collection beside the live one",
  });
