// The fingerprint of a source or a copy: count and digest of every collection's documents, and every definition.
import type { Fingerprint } from "../../../core/fingerprint.ts";
import type { FingerprintAt } from "../../../ports/engine.ts";
import { LargeReplies } from "../bson/large-replies.ts";
import type { MongoSession } from "../connect/connect.ts";
import type { SourceCollection } from "../dump/collections.ts";
import { interleave, readingLanes } from "../dump/interleave.ts";
import { type ReadingOptions, readCollection } from "../dump/read-collection.ts";
import { instantOf, type Survey, survey } from "../dump/survey.ts";
import { after, positionOf } from "../oplog/position.ts";
import type { Scope } from "../scope.ts";
import { canonicalDefinitions } from "./definitions.ts";
import { DigestSum, FINGERPRINT_ALGORITHM } from "./sum.ts";

/** Put together from what was read of each collection, in their order. `contents` empty: definitions only. */
export function fingerprintFrom(
  scope: Fingerprint["scope"],
  collections: readonly SourceCollection[],
  contents: readonly { readonly rows: number; readonly digest: string }[],
): Fingerprint {
  const tables: Record<string, { rows: number; digest: string }> = Object.create(null);
  const schema: Record<string, string> = Object.create(null);
  for (const [index, collection] of collections.entries()) {
    const content = contents[index];
    if (content !== undefined && collection.data !== undefined) tables[collection.table] = { rows: content.rows, digest: content.digest };
    Object.assign(schema, canonicalDefinitions(collection.table, collection));
  }
  const outside = collections
    .filter(({ data }) => data === undefined)
    .map(({ table }) => ({ kind: "view", object: table, reason: "it shows other collections' documents and has none of its own" }));
  return { algorithm: FINGERPRINT_ALGORITHM, scope, tables, sequences: {}, schema, outside, unhashed: [] };
}

/** Reads every document of these collections, several collections at a time, and adds them up; in their order. Errors are the driver's. */
export async function digestCollections(
  mongo: MongoSession,
  collections: readonly SourceCollection[],
  options: ReadingOptions,
): Promise<{ readonly rows: number; readonly digest: string }[]> {
  const sums = collections.map(() => new DigestSum());
  const reading = { ...options, large: new LargeReplies() };
  const sources = collections.map((source, index) => () => readCollection(mongo, index, source, reading));
  for await (const item of interleave(sources, readingLanes())) {
    if (item.kind === "documents") sums[item.index]?.addAll(item.documents);
  }
  return sums.map((sum) => ({ rows: sum.rows, digest: sum.hex() }));
}

export interface LiveOptions {
  readonly scope: Scope;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The fingerprint of a live database: of one snapshot where the server offers it, else of what is there while it is read. A chosen
 * collection that is not there is simply not in it. SOURCE_*, SNAPSHOT_TOO_OLD.
 */
export async function fingerprintSource(mongo: MongoSession, wanted: Fingerprint["scope"], options: LiveOptions): Promise<Fingerprint> {
  return await translated(mongo, async () => {
    const found = await look(mongo, wanted, options);
    return await print(mongo, wanted, found, options);
  });
}

/** With its position and instant; undefined where the server gives no snapshot, or has no log to be placed in. */
export async function fingerprintSourceAt(
  mongo: MongoSession,
  wanted: Fingerprint["scope"],
  options: LiveOptions,
): Promise<FingerprintAt | undefined> {
  if (mongo.hello.topology !== "replica set") return undefined;
  return await translated(mongo, async () => {
    const found = await look(mongo, wanted, options);
    if (found.snapshot === undefined) return undefined;
    const fingerprint = await print(mongo, wanted, found, options);
    // A snapshot holds the entry at its own instant; a position means what lies before it.
    return { fingerprint, position: positionOf(after(found.snapshot)), at: instantOf(found.snapshot) };
  });
}

const look = (mongo: MongoSession, { tables }: Fingerprint["scope"], { scope }: LiveOptions): Promise<Survey> =>
  survey(mongo, { scope, patterns: tables, mayLack: true, consistency: "auto" });

async function print(mongo: MongoSession, wanted: Fingerprint["scope"], found: Survey, { signal }: LiveOptions): Promise<Fingerprint> {
  const { collections, consistency, snapshot } = found;
  const contents = wanted.kind === "schema" ? [] : await digestCollections(mongo, collections, { consistency, snapshot, signal });
  return fingerprintFrom(wanted, collections, contents);
}

async function translated<T>(mongo: MongoSession, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw mongo.translate(error, { otherwise: "DUMP_FAILED" });
  }
}
