// What the source's server says about archiving its log: whether it works, and what endangers the server.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { LogState } from "../../../ports/log.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection, refusePooled } from "../connect/pooled.ts";
import { assertSlotName, CURRENT_LSN, replicationHint, type SlotState, slotState } from "./slot.ts";
import { openWatchdog } from "./watchdog.ts";

const ANSWER_TIMEOUT_MS = 30_000;

export const UNLIMITED =
  "max_slot_wal_keep_size is -1: while the receiver of the log stays away, the server keeps log until its disk is full. " +
  "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf(); (with less than is free on the disk of its log)";

type Warning = LogState["warnings"][number];

export interface ServerIdentity {
  readonly systemIdentifier: string;
  readonly timeline: number;
}

interface Settings {
  readonly walLevel: string;
  readonly segmentBytes: number;
  readonly currentLsn: string;
  readonly senders: number;
  readonly slots: number;
  readonly usedSlots: number;
  /** Undefined: no limit. */
  readonly limitBytes: number | undefined;
}

/**
 * Asks over a replication session, which any role with REPLICATION may open; without that right, over an ordinary one, and says so.
 * `slot`: also looks at this replication slot.
 */
export async function logState(given: Connection, slot?: string, work: Work = {}): Promise<LogState> {
  if (slot !== undefined) assertSlotName(slot);
  const connection = directConnection(given);
  const dog = openWatchdog(connection, work.signal);
  return await dog.within(ANSWER_TIMEOUT_MS, async () => {
    const { client, replicates } = await openEither(connection, dog.signal);
    try {
      await refusePooled(client, { signal: dog.signal });
      return await stateBy(client, replicates, slot);
    } finally {
      await client.close();
    }
  });
}

async function stateBy(client: Client, replicates: boolean, slot: string | undefined): Promise<LogState> {
  const identity = await identify(client, replicates);
  const settings = await readSettings(client);
  const found = slot === undefined ? undefined : await slotState(client, slot);
  const warnings = [
    ...(replicates ? [] : [missingRight(client)]),
    ...warningsOf(settings, found),
    ...(slot === undefined || found === undefined ? [] : slotWarnings(slot, found)),
  ];
  return {
    ...identity,
    segmentBytes: settings.segmentBytes,
    currentLsn: settings.currentLsn,
    walLevel: settings.walLevel,
    tablespaces: await client.query<{ oid: string; name: string }>(TABLESPACES),
    ...(slot === undefined ? {} : { slot: describeSlot(found, settings) }),
    warnings,
  };
}

const TABLESPACES = `select oid::pg_catalog.text as oid, spcname::pg_catalog.text as name from pg_catalog.pg_tablespace
  where spcname not in ('pg_default', 'pg_global') order by oid`;

/** Over a replication session. */
export async function identifySystem(client: Client): Promise<ServerIdentity> {
  const [row] = await client.query<{ systemid: string; timeline: number }>("IDENTIFY_SYSTEM");
  if (!row) throw new LifeboatError("SOURCE_UNREACHABLE", `${client.connection.label} did not say which server it is`);
  return { systemIdentifier: row.systemid, timeline: Number(row.timeline) };
}

async function openEither(connection: Connection, signal: AbortSignal): Promise<{ client: Client; replicates: boolean }> {
  const options = { signal };
  try {
    return { client: await openClient(connection, { ...options, replication: true }), replicates: true };
  } catch (error) {
    // No such right, or no process left for one more session of that kind: an ordinary one can still look.
    if (!isLifeboatError(error, "SOURCE_PERMISSION") && !isLifeboatError(error, "SOURCE_UNREACHABLE")) throw error;
    return { client: await openClient(connection, options), replicates: false };
  }
}

async function identify(client: Client, replicates: boolean): Promise<ServerIdentity> {
  if (replicates) return await identifySystem(client);
  const [row] = await client.query<{ system: string; timeline: number }>(
    `select (select system_identifier::pg_catalog.text from pg_catalog.pg_control_system()) as system,
       (select timeline_id from pg_catalog.pg_control_checkpoint()) as timeline`,
  );
  return { systemIdentifier: row?.system ?? "", timeline: row?.timeline ?? 0 };
}

async function readSettings(client: Client): Promise<Settings> {
  const [row] = await client.query<Record<"level" | "segment" | "lsn" | "senders" | "slots" | "used" | "limit", string>>(
    `select pg_catalog.current_setting('wal_level') as level,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size'))::pg_catalog.text as segment,
       (${CURRENT_LSN})::pg_catalog.text as lsn,
       pg_catalog.current_setting('max_wal_senders') as senders,
       pg_catalog.current_setting('max_replication_slots') as slots,
       (select pg_catalog.count(*) from pg_catalog.pg_replication_slots)::pg_catalog.text as used,
       (select setting from pg_catalog.pg_settings where name = 'max_slot_wal_keep_size') as limit`,
  );
  if (!row) throw new LifeboatError("SOURCE_UNREACHABLE", `${client.connection.label} did not tell its settings`);
  const limitMegabytes = Number(row.limit ?? -1);
  return {
    walLevel: row.level,
    segmentBytes: Number(row.segment),
    currentLsn: row.lsn,
    senders: Number(row.senders),
    slots: Number(row.slots),
    usedSlots: Number(row.used),
    limitBytes: limitMegabytes < 0 ? undefined : limitMegabytes * 1024 * 1024,
  };
}

function describeSlot(found: SlotState | undefined, settings: Settings): NonNullable<LogState["slot"]> {
  const limit = { limitBytes: settings.limitBytes };
  if (found === undefined) return { exists: false, active: false, keptBytes: 0, state: "absent", ...limit };
  return { exists: true, ...found, ...limit };
}

function warningsOf(settings: Settings, found: SlotState | undefined): Warning[] {
  const warnings: Warning[] = [];
  const warn = (code: string, message: string): void => void warnings.push({ code, message });
  if (settings.walLevel === "minimal") {
    warn(
      "WAL_LEVEL_MINIMAL",
      "wal_level is minimal, so the log cannot be archived: ALTER SYSTEM SET wal_level = 'replica'; then restart the server",
    );
  }
  if (settings.senders === 0) {
    warn(
      "NO_WAL_SENDERS",
      "max_wal_senders is 0, so the WAL cannot be received: ALTER SYSTEM SET max_wal_senders = 10; then restart the server",
    );
  }
  if (found === undefined && settings.usedSlots >= settings.slots) {
    warn(
      "NO_SLOTS_LEFT",
      `all ${settings.slots} replication slots are in use: drop one, or ALTER SYSTEM SET max_replication_slots = ${settings.slots + 5}; then restart the server`,
    );
  }
  if (settings.limitBytes === undefined) {
    warn("SLOT_UNLIMITED", UNLIMITED);
  }
  return warnings;
}

function slotWarnings(slot: string, found: SlotState): Warning[] {
  if (found.state === "lost") {
    const message = `the server gave up the log that the slot ${slot} was to keep (max_slot_wal_keep_size): the archive has a gap; a new base backup begins a new window`;
    return [{ code: "SLOT_LOST", message }];
  }
  if (found.state === "unreserved") {
    return [
      {
        code: "SLOT_AT_LIMIT",
        message: `the slot ${slot} is beyond max_slot_wal_keep_size: at its next checkpoint the server drops log that was not fetched`,
      },
    ];
  }
  if (!found.active) {
    const kept = `${Math.round(found.keptBytes / 1024 / 1024)} MB`;
    return [{ code: "SLOT_IDLE", message: `the WAL of replication slot ${slot} is not being read; the server retains ${kept} for it` }];
  }
  return [];
}

function missingRight(client: Client): Warning {
  return { code: "REPLICATION_MISSING", message: `${client.connection.label} may not fetch the log; ${replicationHint(client)}` };
}
