// Begins a dump: what there is and its instant are settled, and then bytes and fingerprint come from one reading.
import { LifeboatError } from "../../../core/errors.ts";
import type { Fingerprint } from "../../../core/fingerprint.ts";
import type { LogSpan } from "../../../core/log.ts";
import { dateOfMicros, microsOf } from "../../../core/micros.ts";
import type { DatabaseFacts } from "../../../ports/connection.ts";
import type { DumpInProgress, DumpOptions } from "../../../ports/dump.ts";
import type { MongoSession } from "../connect/connect.ts";
import { fingerprintFrom } from "../digest/digest.ts";
import { after, positionOf, TIMELINE } from "../oplog/position.ts";
import { systemIdentifierOf } from "../oplog/state.ts";
import { databasesOf, type Scope } from "../scope.ts";
import { streamArchive } from "./archive-stream.ts";
import type { WrittenCollection } from "./assembly.ts";
import { gapsOf } from "./chosen.ts";
import { assertSamePrimary, type ConsistencyOption } from "./consistency.ts";
import { omissionsOf } from "./omissions.ts";
import { newestEntry, oldestTransaction, readSlice } from "./oplog-slice.ts";
import { instantOf, type Survey, survey } from "./survey.ts";

/** What a dump is made with; the engine wires it. */
export interface DumpMeans {
  readonly facts: DatabaseFacts;
  readonly scope: Scope;
  readonly consistency?: ConsistencyOption | undefined;
  /** Who writes the archive, for its header. */
  readonly toolVersion: string;
}

const CLOSE_TIMEOUT_MS = 2_000;

/**
 * The session belongs to the dump: it is closed when the dump ends, or cannot begin. Throws USAGE, TABLE_UNKNOWN, CAPABILITY_MISSING,
 * SOURCE_*. The bytes throw DUMP_FAILED, DUMP_INCOMPLETE, SNAPSHOT_TOO_OLD, SOURCE_*, and the abort's reason.
 */
export async function beginDump(mongo: MongoSession, options: DumpOptions, means: DumpMeans): Promise<DumpInProgress> {
  try {
    return await begin(mongo, options, means);
  } catch (error) {
    await mongo.close();
    throw mongo.translate(error, { otherwise: "DUMP_FAILED" });
  }
}

async function begin(mongo: MongoSession, options: DumpOptions, { facts, scope, ...means }: DumpMeans): Promise<DumpInProgress> {
  const { kind, signal, progress } = options;
  if (kind === "data") throw dataRefused();
  const schemaOnly = kind === "schema";
  const found = await survey(mongo, {
    scope,
    patterns: kind === "tables" ? (options.tables ?? []) : undefined,
    consistency: schemaOnly ? "none" : (means.consistency ?? "auto"),
    progress,
  });
  const { collections } = found;
  const databases = databasesOf(scope, [...new Set(collections.map(({ db }) => db))]);
  const gaps = kind === "tables" ? gapsOf(scope, collections) : [];
  const notIncluded = [
    ...gaps.map(({ kind, object, reason }) => ({ kind, object, reason })),
    ...found.omitted,
    ...(await omissionsOf(mongo, scope, databases, collections)),
  ];
  const position = schemaOnly ? undefined : await positionIn(mongo, found);
  let span = position?.span;
  let snapshotAt = position?.at ?? found.at;

  const printed = Promise.withResolvers<Fingerprint>();
  printed.promise.catch(() => {}); // reported to the caller that asks for it
  const onWritten = (written: readonly WrittenCollection[]): void => {
    const tables = schemaOnly ? [] : written;
    const prints = fingerprintFrom(
      fingerprintScope(
        kind,
        collections.map(({ table }) => table),
      ),
      collections,
      tables,
    );
    printed.resolve(prints);
  };
  const { sliceStart } = found;
  const oplog =
    sliceStart === undefined || position === undefined
      ? undefined
      : async function* () {
          const { localTime } = await mongo.command("admin", { hello: 1 });
          const newest = await newestEntry(mongo);
          snapshotAt = dateOfMicros(newest.wall);
          span = { ...position.span, endLsn: positionOf(after(newest.stamp)), endedAt: microsOf(laterOf(localTime, snapshotAt)) };
          yield* readSlice(mongo, scope, sliceStart, newest.stamp, signal);
          await assertSamePrimary(mongo, found.election);
        };
  const bytes = streamArchive(mongo, {
    collections,
    schemaOnly,
    oplog,
    consistency: found.consistency,
    snapshot: found.snapshot,
    sliceStart,
    signal,
    toolVersion: means.toolVersion,
    onWritten,
  });
  return {
    facts,
    get snapshotAt() {
      return snapshotAt;
    },
    notIncluded,
    consistency: schemaOnly ? undefined : found.consistency,
    logSpan: () => span,
    parts: [{ name: "data", content: "mongodump-archive", bytes: translated(mongo, bytes, printed.reject) }],
    fingerprint: () => printed.promise,
    async end() {
      printed.reject(new LifeboatError("CANCELLED", "the dump was ended"));
      const left = bytes.return();
      left.catch(() => {}); // reported to the reader
      // Cursors are closed in order, unless a server that is silent keeps one waiting: then it is the connection that ends.
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, CLOSE_TIMEOUT_MS);
      await Promise.race([left.catch(() => {}), late]);
      clearTimeout(timer);
      await mongo.close();
    },
  };
}

async function* translated(
  mongo: MongoSession,
  bytes: AsyncGenerator<Uint8Array, void>,
  onFailure: (error: unknown) => void,
): AsyncGenerator<Uint8Array, void> {
  try {
    yield* bytes;
  } catch (error) {
    const told = mongo.translate(error, { otherwise: "DUMP_FAILED" });
    onFailure(told);
    throw told;
  }
}

/** Returns the position of the dump in the oplog; undefined without an oplog. */
async function positionIn(mongo: MongoSession, found: Survey): Promise<{ readonly span: LogSpan; readonly at: Date } | undefined> {
  const stamp = found.snapshot ?? found.sliceStart;
  if (stamp === undefined || mongo.hello.topology !== "replica set") return undefined;
  const end = after(stamp);
  // Operations of a transaction that is decided later may lie before the snapshot: a replay needs the log from there.
  const open = found.snapshot === undefined ? stamp : await oldestTransaction(mongo);
  const span = {
    systemIdentifier: await systemIdentifierOf(mongo),
    timeline: TIMELINE,
    startLsn: positionOf(open !== undefined && open < end ? open : end),
    endLsn: positionOf(end),
    endedAt: microsOf(laterOf(found.at, instantOf(stamp))),
  };
  return { span, at: found.snapshot === undefined ? found.at : instantOf(found.snapshot) };
}

/** Just after both: what is stamped with the same millisecond may have come before. */
function laterOf(clock: unknown, at: Date): Date {
  const now = clock instanceof Date ? clock.getTime() : 0;
  return new Date(Math.max(now, at.getTime()) + 1);
}

function fingerprintScope(kind: "full" | "schema" | "tables", tables: readonly string[]): Fingerprint["scope"] {
  return kind === "tables" ? { kind, tables } : { kind };
}

function dataRefused(): LifeboatError {
  return new LifeboatError("USAGE", "a MongoDB source has no backups of kind `data`: a collection's indexes and options lie with it", {
    hint: "use `--kind full`, and restore documents alone from it with --data-only, or `--kind tables` for some collections",
  });
}
