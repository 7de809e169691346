// The fingerprint of a PostgreSQL database: content per table, sequences, definitions, large objects, and what is outside of it.
import type { Fingerprint, Omission } from "../../../core/fingerprint.ts";
import type { Progress } from "../../../ports/progress.ts";
import { type RowAlgorithm, rowsExpression } from "./expression.ts";
import { asSourceError } from "./failure.ts";
import { hashLargeObjects } from "./large-objects.ts";
import { outsideOf } from "./outside.ts";
import { listRelations, type Relation } from "./relations.ts";
import { hashRows, withoutHashPartitions } from "./rows.ts";
import { schemaMap } from "./schema-map.ts";
import { relationsOfScope, visibleRelations } from "./scope.ts";
import { readSequences } from "./sequences.ts";
import type { OpenSession, Session } from "./session.ts";
import { type Asker, openSnapshot, type SharedSnapshot } from "./snapshot.ts";

export interface FingerprintOptions {
  /** A snapshot exported by an open transaction; absent: the fingerprint takes one of its own. */
  readonly snapshotId?: string | undefined;
  /** The session that exported it and holds its locks: statements that would wait for a lock run there. Borrowed, not closed. */
  readonly holder?: Session | undefined;
  /** What an archive gives its sequences, `last_value,is_called` by qualified name; absent: the present states are read. */
  readonly sequenceValues?: Readonly<Record<string, string>> | (() => Promise<Readonly<Record<string, string>>>) | undefined;
  /** The schemas in which a bare name of the scope is looked for, in order; absent: none. */
  readonly path?: readonly string[] | undefined;
  /** Name of the fingerprint's algorithm that this one will be compared with; absent: the best that the server can do. */
  readonly algorithm?: string | undefined;
  /** Sessions that hash at the same time; two more are opened for the catalogs and the present. Default 2. */
  readonly concurrency?: number | undefined;
  /** Opens sessions with fewer rights: to plan a statement over a table runs code of its indexes and statistics. */
  readonly openReader?: OpenSession | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Advanced by the bytes of the tables that have been hashed. */
  readonly progress?: Progress | undefined;
}

/**
 * The fingerprint of the database that `open` reaches, of one state of it. Sessions are closed before this returns.
 * Throws SOURCE_UNREACHABLE when a session is lost, SOURCE_CHANGED when the snapshot is gone, CANCELLED or the signal's
 * own reason; a table that cannot be read is an entry of `unhashed` and not an error.
 */
export async function fingerprintDatabase(
  open: OpenSession,
  scope: Fingerprint["scope"],
  options: FingerprintOptions = {},
): Promise<Fingerprint> {
  let snapshot: SharedSnapshot | undefined;
  const stop = () => void snapshot?.end();
  try {
    options.signal?.throwIfAborted();
    snapshot = await openSnapshot(open, {
      snapshotId: options.snapshotId,
      holder: options.holder,
      concurrency: Math.max(1, options.concurrency ?? 2),
      openWorker: options.openReader,
    });
    // Ending a busy session cuts its connection; the server notices within seconds and stops the query.
    options.signal?.addEventListener("abort", stop, { once: true });
    options.signal?.throwIfAborted();
    return await fingerprintSnapshot(snapshot, scope, options);
  } catch (error) {
    throw asSourceError(error, options.signal);
  } finally {
    options.signal?.removeEventListener("abort", stop);
    await snapshot?.end();
  }
}

async function fingerprintSnapshot(
  snapshot: SharedSnapshot,
  scope: Fingerprint["scope"],
  options: FingerprintOptions,
): Promise<Fingerprint> {
  const { control } = snapshot;
  const all = await listRelations(control.ask);
  const visible = scope.kind === "tables" ? await visibleRelations(control, options.path ?? []) : new Set<number>();
  const { relations, unmatched } = await relationsOfScope(control, scope, all, visible);
  const rowAlgorithm: RowAlgorithm =
    snapshot.major >= 14 && options.algorithm?.startsWith("pg-rows-text-1") !== true ? "pg-rows-1" : "pg-rows-text-1";
  const own = relations.filter((relation) => relation.extension === null);
  const of = (kind: string): Relation[] => own.filter((relation) => relation.kind === kind);
  const withData = scope.kind !== "schema";

  const schema = scope.kind === "data" ? {} : await schemaMap(control, scope.kind === "tables" ? relations.map((r) => r.oid) : null);
  const objects = scope.kind === "full" || scope.kind === "data" ? await hashLargeObjects(control, rowAlgorithm) : undefined;
  const rows = withData
    ? withoutHashPartitions(await hashRows(snapshot, of("r"), rowAlgorithm, options), own)
    : { tables: {}, unhashed: [] };
  const sequences = withData ? await sequenceStates(control, of("S"), options) : { states: {}, unhashed: [] };
  const members = scope.kind === "full" ? await extensionContent(snapshot, relations, rowAlgorithm, options) : undefined;
  const missing: Omission[] = unmatched.map((object) => ({ kind: "table", object, reason: "no table has this name" }));
  return {
    algorithm: await algorithmName(control, rowAlgorithm),
    scope,
    tables: rows.tables,
    sequences: sequences.states,
    schema,
    largeObjects: objects?.largeObjects,
    ...(members === undefined ? {} : { extensionContent: members.content }),
    outside: [...(withData ? outsideOf(relations) : []), ...(members?.unread ?? [])],
    unhashed: [...missing, ...rows.unhashed, ...sequences.unhashed, ...(objects?.unhashed ?? [])],
  };
}

/** What belongs to extensions is compared only where it can be read: a dump does not ask for that. */
async function extensionContent(
  snapshot: SharedSnapshot,
  relations: readonly Relation[],
  algorithm: RowAlgorithm,
  { signal }: FingerprintOptions,
): Promise<{ readonly content: Record<string, string>; readonly unread: Omission[] }> {
  const of = (kind: string): Relation[] => relations.filter((relation) => relation.extension !== null && relation.kind === kind);
  const rows = await hashRows(snapshot, of("r"), algorithm, { signal });
  const { states, unhashed } = await readSequences(snapshot.control, of("S"));
  const tables = Object.entries(rows.tables).map(([name, { rows: n, digest }]) => [`table ${name}`, `${n} rows ${digest}`]);
  const sequences = Object.entries(states).map(([name, state]) => [`sequence ${name}`, state]);
  const unread = [...rows.unhashed, ...unhashed].map(({ kind, object, reason }) => ({ kind: `extension ${kind}`, object, reason }));
  return { content: Object.fromEntries([...tables, ...sequences]), unread };
}

async function sequenceStates(asker: Asker, sequences: readonly Relation[], options: FingerprintOptions) {
  const given = typeof options.sequenceValues === "function" ? await options.sequenceValues() : options.sequenceValues;
  if (given) return { states: { ...given }, unhashed: [] };
  return readSequences(asker, sequences);
}

/** What every little-endian server with UTF-8 text answers for CANARY. */
const CANARY_VALUES: Readonly<Record<RowAlgorithm, string>> = {
  "pg-rows-1": "-3175002209331042881",
  "pg-rows-text-1": "-4608705954357964092",
};
const CANARY = [
  "'lifeboat'::pg_catalog.text collate pg_catalog.\"C\"",
  "42",
  "pg_catalog.numeric_send(1.10)",
  "'\\x00ff'::pg_catalog.bytea",
];

/**
 * The name, with a suffix where this server's hashes or text differ from everybody's (another byte order, another
 * encoding, a changed hash function): such values are then not compared at all instead of raising a false alarm.
 */
async function algorithmName(asker: Asker, algorithm: RowAlgorithm): Promise<string> {
  const [row] = await asker.ask(`select ${rowsExpression(CANARY, algorithm)}, pg_catalog.current_setting('server_encoding') as encoding`);
  const suffixes = [row?.encoding === "UTF8" ? "" : ` ${row?.encoding}`, row?.s === CANARY_VALUES[algorithm] ? "" : ` (${row?.s})`];
  return algorithm + suffixes.join("");
}
