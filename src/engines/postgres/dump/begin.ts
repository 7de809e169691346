// Begins a dump: one snapshot snapshot, from which pg_dump's bytes and the fingerprint both come.

import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Fingerprint, Omission } from "../../../core/fingerprint.ts";
import type { Connection, DatabaseFacts } from "../../../ports/connection.ts";
import type { DumpInProgress, DumpOptions, DumpPart } from "../../../ports/dump.ts";
import { type Child, startChild } from "../../../process/child.ts";
import { keepEntries } from "../archive/keep.ts";
import { expectedSequences } from "../archive/sequences.ts";
import { programEnvironment, secretsOf } from "../connect/programs.ts";
import { translateError } from "../connect/translate.ts";
import { gapsOf } from "../features/chosen.ts";
import { withGaps } from "../features/omissions.ts";
import type { FingerprintOptions } from "../fingerprint/fingerprint.ts";
import { hasBareName } from "../fingerprint/scope.ts";
import type { OpenSession, Session } from "../fingerprint/session.ts";
import { describeRoles } from "../roles/description.ts";
import { scriptOf } from "../roles/statements.ts";
import { dumpArguments, onlyTables, withoutRowsOf, withoutUnneeded } from "./arguments.ts";
import { distinctValues } from "./distinct.ts";
import { holdSnapshot } from "./hold.ts";
import { entriesOf, type Needs, neededTables, needsOf, relationsNeeded } from "./needs.ts";
import { type GatedDump, gateDump } from "./stream.ts";
import { chooseRelations, chooseTables, isTable, refuseUnreadable, type SourceTable } from "./tables.ts";

/** What a dump is made with; the engine wires it. */
export interface DumpMeans {
  readonly facts: DatabaseFacts;
  /** Path of pg_dump. */
  readonly program: string;
  readonly open: OpenSession;
  /** The schemas in which a bare name is looked for. */
  ordinaryPath(): Promise<readonly string[]>;
  fingerprint(open: OpenSession, scope: Fingerprint["scope"], options: FingerprintOptions): Promise<Fingerprint>;
  /** Everything of the source that such a dump does not bring back; asked inside the snapshot. */
  omissions(session: Session, scope: Fingerprint["scope"]): Promise<readonly Omission[]>;
}

/** pg_dump writes 4 KB at a time by itself; a tenth of all the work of a backup was spent on handing those over. */
const OUTPUT_BUFFER_BYTES = 256 * 1024;
const ATTEMPTS = 5;
/** Sessions that hash beside the dump: the server does the work, and the dump itself keeps one of its cores busy. */
const HASHING_SESSIONS = 2;

/**
 * Resolves when the first bytes are ready. A session that asks for an exclusive lock just between our locks and pg_dump's would make
 * all three wait for each other: pg_dump gives up first, everything is let go, and the dump begins anew.
 */
export async function beginDump(connection: Connection, options: DumpOptions, means: DumpMeans): Promise<DumpInProgress> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await attemptDump(connection, options, means);
    } catch (error) {
      if (attempt === ATTEMPTS || !isLifeboatError(error, "SOURCE_CHANGED")) throw error;
      options.progress?.note(`${error.message}; beginning anew`);
    }
  }
}

async function attemptDump(connection: Connection, options: DumpOptions, means: DumpMeans): Promise<DumpInProgress> {
  const stopped = new AbortController();
  const signal = options.signal === undefined ? stopped.signal : AbortSignal.any([options.signal, stopped.signal]);
  const holder = await means.open();
  let child: Child | undefined;
  let gated: GatedDump | undefined;
  let fingerprint: Promise<Fingerprint> | undefined;
  const end = async (): Promise<void> => {
    stopped.abort(new LifeboatError("CANCELLED", "the dump was ended"));
    await gated?.end();
    await Promise.allSettled([fingerprint, child?.kill()]);
    await holder.end();
  };
  try {
    const { rowsOf } = options;
    let all: readonly SourceTable[] = [];
    let chosen: readonly SourceTable[] = [];
    let needs: Needs | undefined;
    const choose = async (tables: readonly SourceTable[], held: boolean): Promise<readonly SourceTable[]> => {
      all = tables;
      const named = rowsOf === undefined ? tables : asInArchive(tables);
      const wanted = options.kind === "tables" ? (options.tables ?? []) : rowsOf;
      const alone = options.kind !== "tables" || options.alone === true;
      chosen = wanted === undefined ? tables : (alone ? chooseTables : chooseRelations)(named, wanted, connection.label);
      refuseUnreadable(chosen, connection.label, options.kind !== "schema");
      if (alone) return chosen;
      const oids = chosen.map(({ oid }) => oid);
      // All that is asked of the needs is exact in the snapshot alone.
      needs = held ? await needsOf(holder, oids) : undefined;
      const needed = needs === undefined ? await relationsNeeded(holder, tables, oids) : neededTables(tables, needs);
      refuseUnreadable(needed, connection.label, false, ", which the chosen tables need");
      return [...chosen, ...needed];
    };
    const path = options.kind === "tables" && hasBareName(options.tables) ? await means.ordinaryPath() : [];
    const snapshot = await holdSnapshot(holder, connection.label, path, choose);
    const sequences = needs?.relations.filter(({ kind }) => kind === "S") ?? [];
    const named = scopeOf(rowsOf === undefined ? options.kind : "tables", [...chosen, ...sequences]);
    const scope = needs === undefined ? named : { ...named, along: true };
    const roles = WITH_ROLES.has(options.kind) ? await rolesOf(holder, options.rolePasswords === true) : NO_ROLES;
    const notIncluded = [
      ...(needs === undefined ? [] : withGaps(gapsOf(needs))),
      ...(await means.omissions(holder, scope)),
      ...roles.notIncluded,
    ];

    const others = rowsOf === undefined ? [] : withoutRowsOf(all, chosen);
    const only = options.kind !== "tables" ? [] : needs === undefined ? onlyTables(chosen) : withoutUnneeded(needs, chosen);
    child = await startChild(means.program, [...dumpArguments(options.kind, snapshot), ...only, ...others], {
      env: { ...programEnvironment(connection, holder), ...(await encodingFor(holder)) },
      secrets: secretsOf(connection),
      signal,
      outputBufferBytes: OUTPUT_BUFFER_BYTES,
    });
    let failure: unknown;
    const found = needs;
    const through = found && keepEntries(child.stdout, (entries) => entriesOf(entries, found));
    gated = gateDump(child, connection.label, () => failure, through);
    await gated.begun;

    const { walked, bytes } = gated;
    fingerprint = means.fingerprint(means.open, scope, {
      snapshotId: snapshot.id,
      holder,
      concurrency: HASHING_SESSIONS,
      along: needs?.along,
      signal,
      ...(options.kind === "schema" ? {} : { sequenceValues: async () => expectedSequences((await walked).contents.entries) }),
    });
    fingerprint.catch((error: unknown) => {
      failure = error;
      void child?.kill(); // a dump that hangs would otherwise never hear of it
    });
    const result = fingerprint;
    return {
      facts: means.facts,
      snapshotAt: snapshot.at,
      notIncluded,
      parts: [{ name: "data", content: "pg_dump-custom", bytes }, ...roles.parts],
      fingerprint: () => result,
      distinct: (rows) => distinctValues(holder, rows),
      end: once(end),
    };
  } catch (error) {
    await end();
    throw options.signal?.aborted ? options.signal.reason : translateError(error, connection);
  }
}

/** Kinds of backup that hold owners and privileges of the whole database. */
const WITH_ROLES: ReadonlySet<DumpOptions["kind"]> = new Set(["full", "schema"]);
const NO_ROLES = { parts: [], notIncluded: [] };

/** The description that a restore reads, and the script for people. Few bytes, asked inside the snapshot. */
async function rolesOf(
  holder: Session,
  hashes: boolean,
): Promise<{ readonly parts: readonly DumpPart[]; readonly notIncluded: readonly Omission[] }> {
  const { roles, hashesRefused } = await describeRoles(async (sql, values) => (await holder.query(sql, values)).rows, { hashes });
  const reason = hashesRefused
    ? "password hashes were asked for, and this user may not read them (pg_authid)"
    : "password hashes are in a backup only if asked for (--role-passwords)";
  const login = roles.roles.some(({ attributes, passwordHash }) => attributes.includes("login") && passwordHash === undefined);
  return {
    parts: [
      { name: "roles", content: "roles-json", bytes: oneChunk(JSON.stringify(roles)) },
      { name: "roles-sql", content: "sql", bytes: oneChunk(scriptOf(roles)) },
    ],
    notIncluded: hashesRefused || (login && !hashes) ? [{ kind: "role passwords", object: "passwords of all roles", reason }] : [],
  };
}

async function* oneChunk(text: string): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode(text);
}

function scopeOf(kind: DumpOptions["kind"], tables: readonly Pick<SourceTable, "name">[]): Fingerprint["scope"] {
  return kind === "tables" ? { kind, tables: tables.map((table) => table.name) } : { kind };
}

/** An archive is read as UTF-8, names and rows. What a database without an encoding (SQL_ASCII) holds stays as it is. */
async function encodingFor(session: Session): Promise<Readonly<Record<string, string>>> {
  const { rows } = await session.query("select pg_catalog.current_setting('server_encoding') as encoding");
  return rows[0]?.encoding === "SQL_ASCII" ? {} : { PGCLIENTENCODING: "UTF8" };
}

/** How an archive's reader finds a bare name, which has no search path: in `public`, or else in any schema. */
function asInArchive(tables: readonly SourceTable[]): SourceTable[] {
  const inPublic = new Set(tables.filter((one) => one.schema === "public" && isTable(one)).map(({ table }) => table));
  return tables.map((table) => ({ ...table, visible: table.schema === "public" || !inPublic.has(table.table) }));
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= action();
    return done;
  };
}
