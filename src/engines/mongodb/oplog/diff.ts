// Applies the differences by which the oplog describes an update ($v: 2), on raw bytes.
//
// Of a document: { d: fields that go, u: fields that change, i: fields that come (at the end), b: bytes that change within a binary,
// s<field>: differences of a field }. Of an array: { a: true, l: new length, u<n>: new element, s<n>: differences of an element }.
// What no longer has the shape that a difference expects stays as it is: that happens only when entries are applied to a later state,
// and a later entry then sets it right. As the server does it: db/update/document_diff_applier.cpp and document_diff_serialization.cpp.
import { LifeboatError } from "../../../core/errors.ts";
import { documentOf, type Element, elementNamed, elementsOf, int32At, integerOf, LARGEST_DOCUMENT_BYTES, TYPE } from "../bson/bson.ts";

/** The document after it. LOG_INVALID for a difference of a kind that is not known. */
export function applyDiff(document: Uint8Array, diff: Uint8Array): Uint8Array {
  const changes = new Map<string, (old: Element) => Element | undefined>();
  const coming = new Map<string, Element>();
  const replace = (element: Element): void => {
    changes.set(element.name, () => element);
    coming.set(element.name, element);
  };
  for (const section of elementsOf(diff)) {
    const { name } = section;
    if (name === "d") for (const { name: gone } of elementsOf(section.value)) changes.set(gone, () => undefined);
    else if (name === "u") for (const element of elementsOf(section.value)) replace(element);
    else if (name === "i") {
      for (const element of elementsOf(section.value)) {
        changes.set(element.name, () => undefined); // one that is there already moves to the end
        coming.set(element.name, element);
      }
    } else if (name === "b")
      for (const element of elementsOf(section.value)) changes.set(element.name, (old) => patchBinary(old, element.value));
    else if (name.startsWith("s")) changes.set(name.slice(1), (old) => applyWithin(old, section.value));
    else throw new LifeboatError("LOG_INVALID", `an update describes its difference in a way that is not known (${name})`);
  }
  const fields: Element[] = [];
  const inserted = new Set(
    elementNamed(diff, "i") === undefined ? [] : elementsOf((elementNamed(diff, "i") as Element).value).map(({ name }) => name),
  );
  for (const field of elementsOf(document)) {
    const change = changes.get(field.name);
    const changed = change === undefined ? field : change(field);
    if (changed === undefined) continue;
    fields.push(changed);
    if (!inserted.has(field.name)) coming.delete(field.name);
  }
  return documentOf([...fields, ...coming.values()]);
}

function applyWithin(old: Element, diff: Uint8Array): Element {
  const [first] = elementsOf(diff);
  const isArray = first?.name === "a" && first.type === TYPE.bool;
  if (old.type !== (isArray ? TYPE.array : TYPE.document)) return old;
  return { ...old, value: isArray ? applyArrayDiff(old.value, diff) : applyDiff(old.value, diff) };
}

/** An element takes three bytes at least: its type, and a name with its end. */
const MOST_ELEMENTS = LARGEST_DOCUMENT_BYTES / 3;

/** A length or an index as an update may name it. */
function possible(size: number): number {
  if (size >= 0 && size < MOST_ELEMENTS) return size;
  throw new LifeboatError("LOG_INVALID", `an update makes an array of ${size} elements, more than any document holds`);
}

const NULL: Omit<Element, "name"> = { type: TYPE.null, value: new Uint8Array(0) };

function applyArrayDiff(array: Uint8Array, diff: Uint8Array): Uint8Array {
  let items: Omit<Element, "name">[] = elementsOf(array);
  let length: number | undefined;
  for (const { name, type, value } of elementsOf(diff).slice(1)) {
    if (name === "l") {
      length = possible(integerOf({ name, type, value }) ?? Number.NaN);
      continue;
    }
    const index = Number(name.slice(1));
    if (!/^[us]\d+$/.test(name))
      throw new LifeboatError("LOG_INVALID", `an update describes an array's difference in a way that is not known (${name})`);
    while (items.length < possible(index)) items.push(NULL);
    const old = items[index];
    if (name.startsWith("u")) items[index] = { type, value };
    else if (old !== undefined) items[index] = applyWithin({ ...old, name }, value);
    else items.push(NULL); // the element it changes comes with a later entry
  }
  if (length !== undefined) {
    items = items.slice(0, length);
    while (items.length < length) items.push(NULL);
  }
  return documentOf(items.map(({ type, value }, index) => ({ name: String(index), type, value })));
}

/** `{ o: offset, d: bytes }`: what a binary holds from the offset on. */
function patchBinary(old: Element, patch: Uint8Array): Element {
  const [offset, data] = [integerOf(elementNamed(patch, "o")), elementNamed(patch, "d")];
  if (old.type !== TYPE.binary || offset === undefined || data?.type !== TYPE.binary) return old;
  const HEAD = 5; // length and subtype
  const kept = old.value.subarray(HEAD, HEAD + offset);
  if (kept.length < offset) return old;
  const content = Buffer.concat([kept, data.value.subarray(HEAD, HEAD + int32At(data.value, 0))]);
  const head = Buffer.alloc(HEAD);
  head.writeInt32LE(content.length, 0);
  head[4] = data.value[4] ?? 0;
  return { ...old, value: Buffer.concat([head, content]) };
}
