// Raw BSON as values that the driver writes back as they were: maps in place of objects, whose numeric names would change order,
// and numbers that keep their type.
import { deserialize } from "bson";
import { documentOf, type Element, elementsOf, TYPE } from "../bson/bson.ts";

export type Ordered = ReadonlyMap<string, unknown>;

const OPTIONS = { promoteValues: false, promoteBuffers: false, bsonRegExp: true } as const;

export function orderedOf(document: Uint8Array): Map<string, unknown> {
  return new Map(elementsOf(document).map((element) => [element.name, decode(element)]));
}

export function decode(element: Element): unknown {
  if (element.type === TYPE.document) return orderedOf(element.value);
  if (element.type === TYPE.array) return elementsOf(element.value).map(decode);
  return deserialize(documentOf([{ ...element, name: "v" }]), OPTIONS).v;
}
