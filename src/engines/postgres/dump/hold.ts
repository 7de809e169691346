// Holds a state of the database still: locks every table, and only then takes and exports the snapshot.
//
// The order is the point. TRUNCATE and rewrites are not transactional for older snapshots: they would show a table empty. With the
// lock taken before the snapshot, a session that rewrites has either committed before (and the snapshot sees it) or waits until we end.
// LOCK TABLE itself takes no snapshot in a REPEATABLE READ transaction (documented with LOCK), so it may and must come first.
import { LifeboatError } from "../../../core/errors.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { isLockTimeout } from "../fingerprint/failure.ts";
import { type Locker, lockerOf } from "../fingerprint/lockers.ts";
import { pinSession, type Session } from "../fingerprint/session.ts";
import { isTable, listTables, type SourceTable } from "./tables.ts";

export interface LockedSnapshot {
  readonly id: string;
  /** The instant whose state the snapshot shows, by the server's clock. */
  readonly at: Date;
  /** Every table of the snapshot; all are locked. */
  readonly tables: readonly SourceTable[];
}

const TABLES_PER_STATEMENT = 500;
const ATTEMPTS = 5;
const LOCK_TIMEOUT_MS = 60_000;

/**
 * Opens a transaction in the session and leaves it open, with all tables locked and the snapshot exported. Ends with the session.
 * `path`: the schemas in which a bare name is looked for. `choose` narrows the list and may refuse it:
 * asked for what to lock, and then, `held`, for what the snapshot has. Throws SOURCE_CHANGED when the list of tables does not stand still or a table stays
 * locked by others, SOURCE_PERMISSION, or DUMP_FAILED when the server has no room for so many locks.
 */
export async function holdSnapshot(
  session: Session,
  label: string,
  path: readonly string[],
  choose: (tables: readonly SourceTable[], held: boolean) => Promise<readonly SourceTable[]>,
): Promise<LockedSnapshot> {
  await pinSession(session, LOCK_TIMEOUT_MS);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    // Outside of the transaction: a query inside would take the snapshot before the locks.
    const wanted = await choose(await listTables(session, path), false);
    await session.query("begin isolation level repeatable read read only");
    if (!(await lockAll(session, wanted, label))) {
      await session.query("rollback");
      continue;
    }
    const { rows } = (await session.query(
      "select pg_catalog.pg_export_snapshot() as id, (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::bigint::pg_catalog.text as at",
    )) as { rows: { id: string; at: string }[] };
    const locked = new Set(wanted.map((table) => table.oid));
    const tables = await choose(await listTables(session, path), true);
    // A table that came, or was made anew under its old name, between listing and snapshot is in the snapshot without a lock.
    if (tables.every((table) => !isTable(table) || locked.has(table.oid))) {
      return { id: rows[0]?.id ?? "", at: new Date(Number(rows[0]?.at)), tables };
    }
    await session.query("rollback");
  }
  throw new LifeboatError("SOURCE_CHANGED", `tables of ${label} are created and dropped faster than they can be locked`);
}

/** False when a table went away meanwhile. */
async function lockAll(session: Session, tables: readonly SourceTable[], label: string): Promise<boolean> {
  const names = tables.filter(isTable).map((table) => `only ${table.name}`);
  try {
    for (let at = 0; at < names.length; at += TABLES_PER_STATEMENT) {
      await session.query(`lock table ${names.slice(at, at + TABLES_PER_STATEMENT).join(", ")} in access share mode`);
    }
    return true;
  } catch (error) {
    if (isLockTimeout(error)) {
      await session.query("rollback");
      throw locked(label, await lockerOf(session), error);
    }
    const failure = FAILURES[sqlStateOf(error) ?? ""];
    if (failure === "gone") return false;
    if (failure === undefined) throw error;
    throw failure(label, names.length, error);
  }
}

type Failure = (label: string, tables: number, cause: unknown) => LifeboatError;

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function locked(label: string, locker: Locker | undefined, cause: unknown): LifeboatError {
  const words = `a table of ${label} stayed locked for ${LOCK_TIMEOUT_MS / 1000} s${locker === undefined ? "" : `: ${locker.words}`}`;
  return new LifeboatError("SOURCE_CHANGED", words, { cause, ...(locker && { hint: locker.hint }) });
}

const FAILURES: Readonly<Record<string, "gone" | Failure>> = {
  "42P01": "gone",
  "3F000": "gone",
  // The name is now that of a view or the like.
  "42809": "gone",
  "42501": (label, _tables, cause) =>
    new LifeboatError("SOURCE_PERMISSION", `the tables of ${label} cannot be locked: ${messageOf(cause)}`, { cause }),
  "53200": (label, tables, cause) =>
    new LifeboatError("DUMP_FAILED", `the server of ${label} has no room to lock ${tables} tables at once`, {
      cause,
      hint: `raise max_locks_per_transaction on the server so that it times max_connections exceeds ${2 * tables}, and restart it`,
    }),
};
