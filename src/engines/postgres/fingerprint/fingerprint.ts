// The fingerprint of a PostgreSQL database: content per table, sequences, definitions, large objects, and what is outside of it.

import { createHash } from "node:crypto";
import type { Fingerprint, Omission } from "../../../core/fingerprint.ts";
import type { Progress } from "../../../ports/progress.ts";
import { type Needs, needsOf } from "../dump/needs.ts";
import { type RowAlgorithm, rowsExpression } from "./expression.ts";
import { asSourceError, isAboutOneObject, isLockTimeout, reasonOf } from "./failure.ts";
import { hashLargeObjects } from "./large-objects.ts";
import { type Locker, lockerOf } from "./lockers.ts";
import { listRelations, type Relation } from "./relations.ts";
import { hashRows, withoutHashPartitions } from "./rows.ts";
import { normaliseExpression } from "./schema/normalise.ts";
import { OBJECT_QUERIES, OPTIONAL_QUERIES } from "./schema/objects.sql.ts";
import { DESCRIPTION_QUERIES, OWNERSHIP_QUERIES } from "./schema/ownership.sql.ts";
import { RELATION_QUERIES } from "./schema/relations.sql.ts";
import { relationsOfScope, visibleRelations } from "./scope.ts";
import type { OpenSession, Session } from "./session.ts";
import { type Asker, openSnapshot, type SharedSnapshot } from "./snapshot.ts";

export interface FingerprintOptions {
  /** A snapshot exported by an open transaction; absent: the fingerprint takes one of its own. */
  readonly snapshotId?: string | undefined;
  /** The session that exported it and holds its locks: statements that would wait for a lock run there. Borrowed, not closed. */
  readonly holder?: Session | undefined;
  /** What an archive gives its sequences, `last_value,is_called` by qualified name; absent: the present states are read. */
  readonly sequenceValues?: Readonly<Record<string, string>> | (() => Promise<Readonly<Record<string, string>>>) | undefined;
  /** What the chosen tables need, where it is known already. */
  readonly along?: Needs["along"] | undefined;
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

async function lockerBy(open: OpenSession): Promise<Locker | undefined> {
  const session = await open().catch(() => undefined);
  if (session === undefined) return undefined;
  return await lockerOf(session).finally(() => session.end());
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
    throw asSourceError(error, options.signal, isLockTimeout(error) ? await lockerBy(open) : undefined);
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

  const chosen = scope.kind === "tables" ? relations.map(({ oid }) => oid) : null;
  const along = scope.along === true && chosen !== null ? (options.along ?? (await alongOf(control, chosen))) : [];
  const schema = scope.kind === "data" ? {} : await schemaMap(control, chosen, along);
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

// What the fingerprint leaves out by nature, named so that it is not taken for checked.

/** Beyond this many of a kind, one entry stands for the rest. */
const NAMED_PER_KIND = 50;

interface Rule {
  readonly kind: string;
  readonly reason: string;
  objects(relation: Relation): readonly string[];
}

const whole = (when: (relation: Relation) => boolean) => (relation: Relation) => (when(relation) ? [relation.name] : []);

const RULES: readonly Rule[] = [
  {
    kind: "generated columns",
    reason: "the server computes them from other columns, which are compared",
    objects: (r) => (r.extension === null ? r.generated.map((column) => `${r.name}.${column}`) : []),
  },
  {
    kind: "materialized view",
    reason: "a restore computes its content anew from the tables, which are compared",
    objects: whole((r) => r.kind === "m"),
  },
  { kind: "foreign table", reason: "its rows live on another server", objects: whole((r) => r.kind === "f") },
];

function outsideOf(relations: readonly Relation[]): Omission[] {
  return RULES.flatMap(({ kind, reason, objects }) => {
    const found = relations.flatMap(objects);
    const named = found.slice(0, NAMED_PER_KIND).map((object) => ({ kind, object, reason }));
    if (found.length > named.length) named.push({ kind, object: `${found.length - named.length} more`, reason });
    return named;
  });
}

// The present states of sequences. They belong to no snapshot: a dump's expected values come from its archive.

const SEQUENCES_PER_STATEMENT = 200;

/** `last_value,is_called` by qualified name. */
async function readSequences(
  asker: Asker,
  sequences: readonly Relation[],
): Promise<{ readonly states: Record<string, string>; readonly unhashed: Omission[] }> {
  const states: Record<string, string> = {};
  const unhashed: Omission[] = [];
  const read = async (chunk: readonly Relation[]): Promise<void> => {
    const selects = chunk.map(
      (sequence, i) => `select ${i} as i, last_value::pg_catalog.text || ',' || is_called::pg_catalog.text as state from ${sequence.name}`,
    );
    try {
      for (const row of await asker.ask(selects.join("\nunion all "))) {
        const sequence = chunk[Number(row.i)];
        if (sequence) states[sequence.name] = String(row.state);
      }
    } catch (error) {
      if (!isAboutOneObject(error)) throw error;
      const [only] = chunk;
      if (chunk.length === 1 && only) unhashed.push({ kind: "sequence", object: only.name, reason: reasonOf(error) });
      else for (const sequence of chunk) await read([sequence]);
    }
  };
  for (let i = 0; i < sequences.length; i += SEQUENCES_PER_STATEMENT) await read(sequences.slice(i, i + SEQUENCES_PER_STATEMENT));
  return { states, unhashed };
}

// The definitions of a database as a map from an object's identity to its facts, small enough to be stored with every backup.

/** Longer facts are kept as a digest. */
const LONGEST_TEXT = 80;
const DIGEST_HEX_DIGITS = 32;

/**
 * Everything a dump carries, by identity: `column public.users.email` → `text not null`. `chosen`: OIDs of the relations
 * of a narrower scope, whose own definitions are then all that counts; null for everything.
 */
async function schemaMap(
  asker: Asker,
  chosen: readonly number[] | null,
  along: NonNullable<FingerprintOptions["along"]>,
): Promise<Record<string, string>> {
  const entries: [string, string][] = [];
  const collect = async (sql: string, values?: unknown[], isWanted: (key: string) => boolean = () => true): Promise<void> => {
    for (const { key, fact, code } of await asker.ask(sql, values)) {
      // An object that vanished after the snapshot no longer has a name.
      if (typeof key === "string" && isWanted(key))
        entries.push([key, shorten([fact, code && normaliseExpression(String(code))].filter(Boolean).join(" "))]);
    }
  };
  for (const sql of [...RELATION_QUERIES, ...DESCRIPTION_QUERIES]) await collect(sql, [chosen]);
  if (chosen === null) {
    for (const sql of [...OBJECT_QUERIES, ...OWNERSHIP_QUERIES]) await collect(sql);
    for (const { needs, sql } of OPTIONAL_QUERIES) if ((await asker.ask(needs))[0]?.ok === true) await collect(sql);
  }
  const comesAlong = new Set(along.map(({ kind, name }) => `${kind} ${name}`.replaceAll("pg_catalog.", "")));
  if (comesAlong.size > 0) for (const sql of OBJECT_QUERIES) await collect(sql, undefined, (key) => comesAlong.has(asIdentity(key)));
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries);
}

/** The key of a definition as the server's `pg_identify_object` names the object. */
const asIdentity = (key: string): string =>
  key
    .replaceAll("pg_catalog.", "")
    .replace(/^aggregate definition /, "aggregate ")
    .replace(/^domain /, "type ")
    .replace(/^cast (.+) as (.+)$/s, "cast ($1 AS $2)");

const alongOf = async (asker: Asker, chosen: readonly number[]): Promise<Needs["along"]> =>
  (await needsOf({ query: async (sql, values) => ({ rows: await asker.ask(sql, values) }) }, chosen.map(String))).along;

const shorten = (fact: string): string =>
  fact.length <= LONGEST_TEXT ? fact : `sha256:${createHash("sha256").update(fact).digest("hex").slice(0, DIGEST_HEX_DIGITS)}`;
