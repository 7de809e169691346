// Writes of a replay as commands: the state that a document is to have, and the one way in which every server takes it as it is.
import type { Document } from "mongodb";
import { documentOf, type Element, elementsOf, TYPE } from "../bson/bson.ts";
import type { Namespace } from "../scope.ts";
import type { Stamp } from "./position.ts";

/** The state that a change leads to. */
export interface Write {
  readonly place: Namespace;
  readonly key: string;
  readonly id: Element;
  readonly stamp: Stamp;
  /** Absent: the document goes. */
  readonly document?: Uint8Array | undefined;
}

const RUN_BYTES = 16_000_000;
const [DOLLAR, TIMESTAMP] = [0x24, TYPE.timestamp];

/** Groups neighbouring writes that one command takes. A document that no update accepts is deleted, then inserted. */
export function* runsOf(writes: readonly Write[]): Generator<Write[]> {
  let run: Write[] = [];
  let [kind, sizeBytes] = ["", 0];
  for (const write of writes.flatMap(stepsOf)) {
    const own = kindOf(write);
    if (run.length > 0 && (own !== kind || sizeBytes > RUN_BYTES)) {
      yield run;
      [run, sizeBytes] = [[], 0];
    }
    kind = own;
    sizeBytes += write.document?.length ?? 0;
    run.push(write);
  }
  if (run.length > 0) yield run;
}

const stepsOf = (write: Write): Write[] => (kindOf(write) === "insert" ? [{ ...write, document: undefined }, write] : [write]);

/** Names that begin with a dollar may be inserted, and are refused in what replaces a document (DollarPrefixedFieldName). */
function kindOf({ document }: Write): "delete" | "insert" | "update" {
  if (document === undefined) return "delete";
  return document.includes(DOLLAR) && elementsOf(document).some(({ name }) => name.startsWith("$")) ? "insert" : "update";
}

/** Whether a server that is not told otherwise would put its own time into it. That of `_id` it leaves. */
export const hasEmptyTimestamp = (document: Uint8Array): boolean =>
  document.includes(TIMESTAMP) &&
  elementsOf(document).some(({ name, type, value }) => type === TIMESTAMP && name !== "_id" && value.every((byte) => byte === 0));

interface Sending {
  readonly command: (collection: string) => Document;
  readonly field: string;
  readonly statement: (write: Write) => Uint8Array;
}

const SENDING: Readonly<Record<ReturnType<typeof kindOf>, Sending>> = {
  delete: { command: (collection) => ({ delete: collection }), field: "deletes", statement: ({ id }) => deletion(id) },
  insert: {
    command: (collection) => ({ insert: collection, bypassDocumentValidation: true }),
    field: "documents",
    statement: ({ document = NOTHING }) => document,
  },
  update: {
    command: (collection) => ({ update: collection, bypassDocumentValidation: true }),
    field: "updates",
    statement: ({ id, document = NOTHING }) => replacement(id, document),
  },
};

/** How a run is sent, by its first write. */
export const commandOf = (first: Write): Sending => SENDING[kindOf(first)];

const NOTHING = new Uint8Array(0);
const documentElement = (name: string, value: Uint8Array): Element => ({ name, type: TYPE.document, value });
const TRUE = { name: "upsert", type: TYPE.bool, value: Uint8Array.of(1) };
const ONE = { name: "limit", type: TYPE.int32, value: Uint8Array.of(1, 0, 0, 0) };

const replacement = (id: Element, document: Uint8Array): Uint8Array =>
  documentOf([documentElement("q", documentOf([id])), documentElement("u", document), TRUE]);
const deletion = (id: Element): Uint8Array => documentOf([documentElement("q", documentOf([id])), ONE]);

/** Changes one document as these operators say. */
export const modification = (id: Element, operators: readonly Element[]): Uint8Array =>
  documentOf([documentElement("q", documentOf([id])), documentElement("u", documentOf(operators))]);
