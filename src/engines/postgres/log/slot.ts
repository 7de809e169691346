// The replication slot: the server's promise to keep the log that was not fetched yet. Kept without limit it would fill the
// server's disk, so it is watched, and given up before that.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { readableName } from "../connect/quote.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { openWatchdog } from "./watchdog.ts";

export interface SlotState {
  readonly active: boolean;
  /** Log that the server keeps back for it. */
  readonly keptBytes: number;
  /** `reserved`, `extended`, `unreserved`, `lost`. */
  readonly state: string;
  readonly restartLsn?: string | undefined;
}

const NAME = /^[a-z0-9_]{1,63}$/;
const DROP_TIMEOUT_MS = 20_000;
const OBJECT_IN_USE = "55006";
const UNDEFINED_OBJECT = "42704";
const DUPLICATE_OBJECT = "42710";

export function assertSlotName(slot: string): void {
  if (NAME.test(slot)) return;
  throw new LifeboatError("NAME_INVALID", `${JSON.stringify(slot)} cannot name a replication slot`, {
    hint: "use lower-case letters, digits and underscores, at most 63",
  });
}

/** Where the server's log ends now; on a standby, how far it received. */
export const CURRENT_LSN = `case when pg_catalog.pg_is_in_recovery()
  then coalesce(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()) else pg_catalog.pg_current_wal_lsn() end`;

/** Undefined when there is no such slot. Throws ARCHIVE_BLOCKED when its name belongs to another kind of slot. */
export async function slotState(client: Client, slot: string): Promise<SlotState | undefined> {
  const [row] = await client.query<{ type: string; active: boolean; state: string | null; restart: string | null; kept: string | null }>(
    `select slot_type as type, active, wal_status as state, restart_lsn::pg_catalog.text as restart,
       pg_catalog.pg_wal_lsn_diff(${CURRENT_LSN}, restart_lsn)::pg_catalog.text as kept
     from pg_catalog.pg_replication_slots where slot_name = '${slot}'`,
  );
  if (!row) return undefined;
  if (row.type !== "physical") {
    throw new LifeboatError(
      "ARCHIVE_BLOCKED",
      `the replication slot ${slot} of ${client.connection.label} is a logical one, which is not the archive's`,
      {
        hint: "choose another name for the slot of the log archive",
      },
    );
  }
  // A slot that lost its log no longer has a position.
  const state = row.restart === null && row.state === null ? "unused" : (row.state ?? "lost");
  return { active: row.active, keptBytes: Math.max(0, Number(row.kept ?? 0)), state, restartLsn: row.restart ?? undefined };
}

/** Makes a slot that keeps the log from now on. One that is there already is taken as it is. Throws SOURCE_PERMISSION, ARCHIVE_BLOCKED. */
export async function createSlot(client: Client, slot: string): Promise<void> {
  try {
    await client.query(`select pg_catalog.pg_create_physical_replication_slot('${slot}', true)`);
  } catch (error) {
    if (sqlStateOf(error) === DUPLICATE_OBJECT) return;
    throw slotFailure(error, client);
  }
}

/** Drops the slot and ends its sessions. A slot that does not exist is not an error. */
export async function dropSlot(given: Connection, slot: string, work: Work = {}): Promise<void> {
  assertSlotName(slot);
  const connection = directConnection(given);
  const dog = openWatchdog(connection, work.signal);
  await dog.within(2 * DROP_TIMEOUT_MS, async () => {
    const client = await openClient(connection, { signal: dog.signal });
    try {
      await dropSlotBy(client, slot);
    } finally {
      await client.close();
    }
  });
}

export async function dropSlotBy(client: Client, slot: string): Promise<void> {
  const giveUpAt = performance.now() + DROP_TIMEOUT_MS;
  for (;;) {
    try {
      await client.query(`select pg_catalog.pg_drop_replication_slot('${slot}')`);
      return;
    } catch (error) {
      if (sqlStateOf(error) === UNDEFINED_OBJECT) return;
      if (sqlStateOf(error) !== OBJECT_IN_USE || performance.now() > giveUpAt) throw slotFailure(error, client);
    }
    // The server's process that sent the log may outlive its receiver for a while; asking it to end needs its own right.
    await client
      .query(`select pg_catalog.pg_terminate_backend(active_pid) from pg_catalog.pg_replication_slots where slot_name = '${slot}'`)
      .catch((error: unknown) => {
        if (sqlStateOf(error) !== "42501") throw error;
      });
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What the server says about slots, in words that name what to change. */
function slotFailure(error: unknown, client: Client): unknown {
  const said = error instanceof Error ? error.message : String(error);
  const { label } = client.connection;
  const state = sqlStateOf(error);
  if (state === "42501") {
    return new LifeboatError("SOURCE_PERMISSION", `${label} may not use replication slots`, {
      cause: error,
      hint: replicationHint(client),
    });
  }
  if (/max_replication_slots/.test(said) || state === "53400") {
    return new LifeboatError("ARCHIVE_BLOCKED", `${label} has no replication slot left: all of max_replication_slots are in use`, {
      cause: error,
      hint: "drop an unused one (pg_replication_slots lists them), or raise max_replication_slots and restart the server",
    });
  }
  if (/wal_level/.test(said)) {
    return new LifeboatError("ARCHIVE_BLOCKED", `${label} writes too little into its log for an archive (wal_level)`, {
      cause: error,
      hint: "ALTER SYSTEM SET wal_level = 'replica'; then restart the server",
    });
  }
  return error;
}

/** The statement that lets a role replicate. */
export function replicationHint(client: Client): string {
  return `as a superuser: ALTER ROLE ${readableName(client.raw.user ?? "")} REPLICATION;`;
}
