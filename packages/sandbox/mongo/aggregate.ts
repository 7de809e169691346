// Pipelines: stages that only choose and order documents work on bytes; the rest is computed by mingo over plain values.
import { type Document, Int32 } from "bson";
import { CommandError } from "./errors.ts";
import { compileFilter } from "./match.ts";
import { type Resolver, runStages } from "./mingo.ts";
import { encode, type Raw, rawOf, typedOf } from "./raw.ts";
import { sortRaw } from "./sort.ts";
import { isPlain, promoteDocument, rankOf, toNumber } from "./values.ts";

type RawStage = (documents: Iterable<Raw>, argument: unknown) => Iterable<Raw>;

const RAW_STAGES: Readonly<Record<string, RawStage>> = {
  $match: matching,
  $limit: (documents, argument) => first(documents, toNumber(argument)),
  $skip: (documents, argument) => after(documents, toNumber(argument)),
  $sort: (documents, argument) => sortRaw([...documents], argument as Document),
  $count: (documents, argument) => counted(documents, String(argument)),
};

function* matching(documents: Iterable<Raw>, filter: unknown): Generator<Raw> {
  const test = compileFilter(filter as Document);
  for (const raw of documents) if (test === undefined || test(typedOf(raw))) yield raw;
}

export function* first(documents: Iterable<Raw>, most: number): Generator<Raw> {
  let left = most;
  if (left <= 0) return;
  for (const raw of documents) {
    yield raw;
    if (--left === 0) return;
  }
}

export function* after(documents: Iterable<Raw>, skipped: number): Generator<Raw> {
  let left = skipped;
  for (const raw of documents) if (left-- <= 0) yield raw;
}

function* counted(documents: Iterable<Raw>, name: string): Generator<Raw> {
  let count = 0;
  for (const _ of documents) count++;
  if (count > 0) yield rawOf(encode({ [name]: new Int32(count) }));
}

/** `countDocuments` of the drivers: one group of all documents that only counts. */
const isCount = (group: unknown): boolean =>
  isPlain(group) &&
  Object.keys(group).length === 2 &&
  (group._id === null || rankOf(group._id) === 2) &&
  isPlain(group.n) &&
  Object.keys(group.n).length === 1 &&
  rankOf(group.n.$sum) === 2 &&
  toNumber(group.n.$sum) === 1;

function* counting(documents: Iterable<Raw>, group: unknown): Generator<Raw> {
  let n = 0;
  for (const _ of documents) n++;
  if (n > 0) yield rawOf(encode({ _id: (group as Document)._id, n: new Int32(n) }));
}

/** Documents of another collection, by its name: for `$lookup` and the like. */
type ReadOther = (name: string) => Iterable<Raw>;

/** What the stages make of the documents. */
export function throughStages(documents: Iterable<Raw>, pipeline: readonly Document[], other: ReadOther): Iterable<Raw> {
  let current = documents;
  for (const [index, stage] of pipeline.entries()) {
    const names = Object.keys(stage);
    if (names.length !== 1) throw new CommandError(40323, "A pipeline stage specification object must contain exactly one field.");
    const raw = isCount(stage.$group) ? counting : RAW_STAGES[names[0] as string];
    if (raw === undefined) return computed(current, pipeline.slice(index), other);
    current = raw(current, stage[names[0] as string]);
  }
  return current;
}

function computed(documents: Iterable<Raw>, stages: readonly Document[], other: ReadOther): Iterable<Raw> {
  const resolve: Resolver = (name) => [...other(name)].map(plainOf);
  return runStages([...documents].map(plainOf), stages.map(promoteDocument), { resolve }).map((document) => rawOf(encode(document)));
}

const plainOf = (raw: Raw): Document => promoteDocument(typedOf(raw));
