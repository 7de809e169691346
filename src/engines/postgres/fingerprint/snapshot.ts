// Several sessions that see one and the same state of the database.
import { LifeboatError } from "../../../core/errors.ts";
import { quoteText } from "../connect/quote.ts";
import { isAboutOneObject, isLockTimeout } from "./failure.ts";
import { type OpenSession, pinSession, type Session } from "./session.ts";

type Rows = Record<string, unknown>[];

/** Asks one statement of the shared state; a failed one leaves the asker usable. */
export interface Asker {
  ask(sql: string, values?: unknown[]): Promise<Rows>;
}

/** A long wait for a lock is only useful where we hold no lock already. */
const LOCK_TIMEOUT_MS = { ownSnapshot: 60_000, importedSnapshot: 1_000 };

export interface SharedSnapshot {
  readonly major: number;
  /** Inside the snapshot's transaction; used for the catalogs. */
  readonly control: Asker;
  readonly workers: readonly Asker[];
  /** A statement outside of the snapshot, seeing the present. */
  askNow(sql: string, values?: unknown[]): Promise<Rows>;
  end(): Promise<void>;
}

const BEGIN = "begin isolation level repeatable read read only";

/** Asks inside an open transaction and survives a failing statement. */
function inTransaction(session: Session): Asker {
  let turn: Promise<unknown> = Promise.resolve();
  const ask = async (sql: string, values?: unknown[]): Promise<Rows> => {
    await session.query("savepoint lifeboat");
    try {
      const { rows } = await session.query(sql, values);
      await session.query("release savepoint lifeboat");
      return rows;
    } catch (error) {
      if (isAboutOneObject(error)) await session.query("rollback to savepoint lifeboat; release savepoint lifeboat");
      throw error;
    }
  };
  // One at a time: several workers may turn to the holder of the locks at once.
  return {
    ask(sql, values) {
      const answer = turn.then(() => ask(sql, values));
      turn = answer.catch(() => undefined);
      return answer;
    },
  };
}

/** Catalog functions open tables too, and may wait behind a session that waits for the holder of the locks. */
function orHolder(asker: Asker, holder: Asker | undefined): Asker {
  if (holder === undefined) return asker;
  return {
    ask: (sql, values) =>
      asker.ask(sql, values).catch((error: unknown) => {
        if (isLockTimeout(error)) return holder.ask(sql, values);
        throw error;
      }),
  };
}

/** A transaction per statement, so that locks are given back at once: ten thousand tables need not fit the lock table. */
function perStatement(session: Session, snapshotId: string, holder: Asker | undefined): Asker {
  return {
    async ask(sql, values) {
      try {
        await session.query(`${BEGIN}; set transaction snapshot ${quoteText(snapshotId)}`);
        const { rows } = await session.query(sql, values);
        await session.query("commit");
        return rows;
      } catch (error) {
        if (!isAboutOneObject(error)) throw error;
        await session.query("rollback");
        // Another session waits for an exclusive lock behind the dump's own: only the session that holds one gets through.
        if (holder && isLockTimeout(error)) return holder.ask(sql, values);
        throw error;
      }
    },
  };
}

export interface SnapshotOptions {
  readonly snapshotId?: string | undefined;
  /** The session whose transaction exported `snapshotId` and holds locks on the tables. It is borrowed and stays open. */
  readonly holder?: Session | undefined;
  readonly concurrency: number;
  /** Opens the workers' sessions, where they shall have fewer rights; absent: as the others. */
  readonly openWorker?: OpenSession | undefined;
}

/**
 * Opens the sessions, all on `snapshotId` or on a new snapshot of their own. A standby cannot export one:
 * there a single session does all the work.
 */
export async function openSnapshot(open: OpenSession, options: SnapshotOptions): Promise<SharedSnapshot> {
  const opened: Session[] = [];
  const end = async () => {
    await Promise.allSettled(opened.map((session) => session.end()));
  };
  const lockTimeoutMs = options.snapshotId === undefined ? LOCK_TIMEOUT_MS.ownSnapshot : LOCK_TIMEOUT_MS.importedSnapshot;
  const openPinned = async (by = open): Promise<{ session: Session; major: number }> => {
    const session = await by();
    opened.push(session);
    return { session, major: await pinSession(session, lockTimeoutMs) };
  };
  try {
    const first = await openPinned();
    await first.session.query(BEGIN);
    if (options.snapshotId !== undefined) await importSnapshot(first.session, options.snapshotId);
    const id = options.snapshotId ?? (await exportSnapshot(first.session));
    const holder = options.holder ? inTransaction(options.holder) : undefined;
    const control = orHolder(inTransaction(first.session), holder);
    const workers: Asker[] = [];
    for (let i = 0; id !== undefined && i < options.concurrency; i += 1) {
      workers.push(perStatement((await openPinned(options.openWorker)).session, id, holder));
    }
    const now = (await openPinned()).session;
    return {
      major: first.major,
      control,
      workers: workers.length > 0 ? workers : [control],
      askNow: async (sql, values) => (await now.query(sql, values)).rows,
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

async function importSnapshot(session: Session, id: string): Promise<void> {
  try {
    await session.query(`set transaction snapshot ${quoteText(id)}`);
  } catch (error) {
    if (!isAboutOneObject(error)) throw error;
    throw new LifeboatError("SOURCE_CHANGED", "the dump's snapshot is gone, so its fingerprint cannot be made", { cause: error });
  }
}

async function exportSnapshot(session: Session): Promise<string | undefined> {
  const standby = await session.query("select pg_catalog.pg_is_in_recovery() as standby");
  if (standby.rows[0]?.standby === true) return undefined;
  return String((await session.query("select pg_catalog.pg_export_snapshot() as id")).rows[0]?.id);
}
