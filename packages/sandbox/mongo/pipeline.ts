// The aggregate command: stages that stand for a source of their own, and those that write.
import { type Document, Int32, Long } from "bson";
import { throughStages } from "./aggregate.ts";
import type { Call } from "./call.ts";
import { MongoFault } from "./errors.ts";
import { writeMerge, writeOut } from "./pipeline-writes.ts";
import { LATEST, type Position } from "./position.ts";
import { encode, type Raw, rawOf } from "./raw.ts";
import { aggregateOver, documentsOf } from "./scan.ts";
import { collectionStats } from "./stats.ts";

type Source = (call: Call, name: string, argument: Document) => Document[];

/** Stages that must come first and read no documents. */
const SOURCES: Readonly<Record<string, Source>> = {
  $collStats: (call, name, argument) => {
    const stats = collectionStats(call.store, call.db, name);
    const shown: Document = { ns: `${call.db}.${name}`, host: `${call.world.host}:${call.world.port}`, localTime: call.store.clock() };
    if (argument.count !== undefined) shown.count = stats.count;
    if (argument.storageStats !== undefined) shown.storageStats = stats;
    return [shown];
  },
  $indexStats: ({ store, db, world }, name) =>
    (store.find(db, name)?.definitions.at(-1)?.indexes ?? []).map((spec) => ({
      name: spec.name,
      key: spec.key,
      host: `${world.host}:${world.port}`,
      accesses: { ops: Long.ZERO, since: world.startedAt },
      spec,
    })),
  $currentOp: () => [],
  $listLocalSessions: () => [],
  $listSessions: () => [],
  $documents: (_call, _name, argument) => argument as unknown as Document[],
};

/** The documents that an aggregate command answers with; none of one that writes them somewhere. */
export function aggregateCommand(call: Call, name: string, at: Position): Iterable<Raw> {
  const { store, db, body } = call;
  const pipeline = (body.pipeline ?? []) as Document[];
  const last = pipeline.at(-1);
  if (last?.$out !== undefined) {
    writeOut(store, db, readingPart(call, name, pipeline.slice(0, -1), at), last.$out);
    return [];
  }
  if (last?.$merge !== undefined) {
    writeMerge(store, db, readingPart(call, name, pipeline.slice(0, -1), at), last.$merge);
    return [];
  }
  return readingPart(call, name, pipeline, at);
}

function readingPart(call: Call, name: string, pipeline: readonly Document[], at: Position): Iterable<Raw> {
  const { store, db } = call;
  const [first] = pipeline;
  const stage = Object.keys(first ?? {})[0] ?? "";
  if (stage === "$changeStream") throw new MongoFault(238, "change streams are not offered here");
  const source = SOURCES[stage];
  if (first === undefined || source === undefined) return aggregateOver(store, db, name, pipeline, at);
  const documents = source(call, name, first[stage]).map((document) => rawOf(encode(document)));
  return throughStages(documents, pipeline.slice(1), (other) => documentsOf(store, db, other, LATEST));
}

export const int = (value: number): Int32 | number => (Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? new Int32(value) : value);
