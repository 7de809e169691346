// Runs a server over existing data, with any configuration it contains: copied from another machine, or restored.
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import { baseEnvironment } from "../../../process/environment.ts";
import { runProgram } from "../../../process/run.ts";
import { type ServerUser, serverUser } from "../../../process/server-user.ts";
import { readControlFile } from "./control-file.ts";
import type { Settings } from "./settings.ts";

/**
 * `postgresql.auto.conf` in the data is read by every server. What it may say of another machine's life must not happen here:
 * archiving into the origin's archive, following a primary, waiting for a standby, libraries and files that are not here.
 * Empty recovery targets come first: the server refuses two at once, in the order in which they are given.
 */
const NOT_FROM_THE_DATA: Settings = {
  recovery_target: "",
  recovery_target_name: "",
  recovery_target_time: "",
  recovery_target_xid: "",
  recovery_target_lsn: "",
  archive_mode: "off",
  archive_command: "",
  primary_conninfo: "",
  primary_slot_name: "",
  restore_command: "",
  recovery_end_command: "",
  archive_cleanup_command: "",
  synchronous_standby_names: "",
  shared_preload_libraries: "",
  session_preload_libraries: "",
  local_preload_libraries: "",
  logging_collector: "off",
  log_destination: "stderr",
  external_pid_file: "",
  unix_socket_group: "",
  huge_pages: "try",
  ssl: "off",
};

/** The settings to put before these ones. */
export function overrides(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(NOT_FROM_THE_DATA).filter(([name]) => !(name in settings)));
}

/** Settings that must be at least as large as on the server that wrote the log, by their name in the control file. */
const SIZES: Readonly<Record<string, string>> = {
  max_connections: "max_connections setting",
  max_worker_processes: "max_worker_processes setting",
  max_prepared_transactions: "max_prepared_xacts setting",
  max_locks_per_transaction: "max_locks_per_xact setting",
};

/** What a server over this data needs: its sizes, with our own as the least. */
export async function sizesOf(bin: string, data: string, least: Settings, signal?: AbortSignal): Promise<Settings> {
  const control = await readControlFile(bin, data, signal);
  const sizes: Record<string, string> = {};
  for (const [setting, field] of Object.entries(SIZES)) {
    const there = Number(control.get(field) ?? 0);
    const ours = Number(least[setting] ?? 0);
    if (there > ours || setting in least) sizes[setting] = String(Math.max(there, ours));
  }
  return { ...sizes, ...segmentSizes(Number(control.get("Bytes per WAL segment")), least) };
}

const USUAL_SEGMENT_BYTES = 16 * 1024 * 1024;

/** A server refuses to start unless two of its segments fit into what it keeps of the log, and the usual sizes are for the usual segments. */
function segmentSizes(segmentBytes: number, least: Settings): Settings {
  if (!(segmentBytes > USUAL_SEGMENT_BYTES)) return {};
  const two = `${(2 * segmentBytes) / 1024 / 1024}MB`;
  return { min_wal_size: two, ...("max_wal_size" in least ? {} : { max_wal_size: `${(64 * segmentBytes) / 1024 / 1024}MB` }) };
}

/**
 * Who runs a server over this data: its owner. Started by root over data of root, which no server can run on, the ordinary
 * user becomes its owner. Undefined when we are an ordinary user: then the data must be ours.
 */
export async function ownerOf(data: string, name: string | undefined): Promise<ServerUser | undefined> {
  // Proven before anything is changed: not every directory of root may be given away.
  const control = join(data, "global", "pg_control");
  const facts = await lstat(data).catch(() => undefined);
  if (!facts?.isDirectory() || !(await lstat(control).catch(() => undefined))?.isFile())
    throw new LifeboatError("SCRATCH_FAILED", `${data} is not a data directory of a PostgreSQL server`);
  if (process.getuid?.() !== 0) return undefined;
  const wanted = name === undefined ? undefined : await serverUser(name);
  if (facts.uid !== 0 && (wanted === undefined || wanted.uid === facts.uid)) return { uid: facts.uid, gid: facts.gid };
  const user = wanted ?? (await serverUser());
  if (user === undefined) return undefined;
  // -h: a link is changed itself, never what it points to.
  const done = await runProgram("chown", ["-R", "-h", `${user.uid}:${user.gid}`, data], { env: baseEnvironment(), timeoutMs: 600_000 });
  if (done.status !== 0) throw new LifeboatError("SCRATCH_FAILED", `${data} cannot be given to the server's user: ${done.end}`);
  return user;
}

export const isShutDown = (control: ReadonlyMap<string, string>): boolean => control.get("Database cluster state") === "shut down";
