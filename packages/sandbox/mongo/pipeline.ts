// The aggregate command: stages that are a source of their own, and those that write.
import { type Document, Int32, Long } from "bson";
import { throughStages } from "./aggregate.ts";
import { definitionOf, fullName } from "./catalog.ts";
import type { Command } from "./command.ts";
import { renameNamespace } from "./definitions.ts";
import { CommandError } from "./errors.ts";
import { LATEST, type Position } from "./position.ts";
import { encode, findField, type Raw, rawOf, typedOf } from "./raw.ts";
import { aggregateOver, documentsOf } from "./scan.ts";
import { collectionStats } from "./stats.ts";
import type { Store } from "./store.ts";
import { fillUnique } from "./unique.ts";
import { matchingSlots, updateMatching } from "./update.ts";
import { insertDocument } from "./writes.ts";

type Source = (command: Command, name: string, argument: Document) => Document[];

/** Stages that must come first and read no documents. */
const SOURCES: Readonly<Record<string, Source>> = {
  $collStats: (command, name, argument) => {
    const stats = collectionStats(command.store, command.db, name);
    const shown: Document = {
      ns: `${command.db}.${name}`,
      host: `${command.context.host}:${command.context.port}`,
      localTime: command.store.clock(),
    };
    if (argument.count !== undefined) shown.count = stats.count;
    if (argument.storageStats !== undefined) shown.storageStats = stats;
    return [shown];
  },
  $indexStats: ({ store, db, context }, name) =>
    (store.find(db, name)?.definitions.at(-1)?.indexes ?? []).map((spec) => ({
      name: spec.name,
      key: spec.key,
      host: `${context.host}:${context.port}`,
      accesses: { ops: Long.ZERO, since: context.startedAt },
      spec,
    })),
  $currentOp: () => [],
  $listLocalSessions: () => [],
  $listSessions: () => [],
  $documents: (_call, _name, argument) => argument as unknown as Document[],
};

/** The documents that an aggregate command answers with; none of one that writes them somewhere. */
export function aggregateCommand(command: Command, name: string, at: Position): Iterable<Raw> {
  const { store, db, body } = command;
  const pipeline = (body.pipeline ?? []) as Document[];
  const last = pipeline.at(-1);
  if (last?.$out !== undefined) {
    writeOut(store, db, readingPart(command, name, pipeline.slice(0, -1), at), last.$out);
    return [];
  }
  if (last?.$merge !== undefined) {
    writeMerge(store, db, readingPart(command, name, pipeline.slice(0, -1), at), last.$merge);
    return [];
  }
  return readingPart(command, name, pipeline, at);
}

function readingPart(command: Command, name: string, pipeline: readonly Document[], at: Position): Iterable<Raw> {
  const { store, db } = command;
  const [first] = pipeline;
  const stage = Object.keys(first ?? {})[0] ?? "";
  if (stage === "$changeStream") throw new CommandError(238, "change streams are not offered here");
  const source = SOURCES[stage];
  if (first === undefined || source === undefined) return aggregateOver(store, db, name, pipeline, at);
  const documents = source(command, name, first[stage]).map((document) => rawOf(encode(document)));
  return throughStages(documents, pipeline.slice(1), (other) => documentsOf(store, db, other, LATEST));
}

export const int = (value: number): Int32 | number => (Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? new Int32(value) : value);

// The stages that end a pipeline by writing: `$out` replaces a collection, `$merge` works document by document.

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
      if (whenNotMatched === "fail") throw new CommandError(13113, "$merge could not find a matching document in the target collection");
      if (whenNotMatched === "insert") insertDocument(store, namespace, raw);
      continue;
    }
    if (whenMatched === "keepExisting") continue;
    if (whenMatched === "fail") throw new CommandError(11000, "$merge failed with a matching document in the target collection");
    const { _id, ...rest } = document;
    const u = Array.isArray(whenMatched) ? whenMatched : { $set: rest };
    const statement = { q: filter, u: whenMatched === "replace" ? document : u, c: { new: document } };
    updateMatching(store, { db: target, name, statement, replacement: raw, options: {} });
  }
}
