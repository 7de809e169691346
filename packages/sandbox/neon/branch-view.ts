// A branch as the API shows it, and the addresses of its databases.

import type { Emulator } from "./emulator.ts";
import { hasEnded } from "./operations.ts";
import { type Branch, databasesOf, type Endpoint, type NeonProject, rolesOf } from "./state.ts";

/** Why no past point of a branch can be asked for. The words are the provider's. */
export const NO_HISTORY = "restore from snapshot on target branch is still ongoing";

export function branchView(emulator: Emulator, project: NeonProject, branch: Branch): object {
  const ready = hasEnded(emulator, branch.pending);
  return {
    id: branch.id,
    project_id: project.id,
    parent_id: branch.parentId,
    parent_lsn: branch.parentLsn,
    parent_timestamp: branch.parentTimestamp,
    name: branch.name,
    current_state: ready ? "ready" : branch.lastResetAt === undefined ? "init" : "resetting",
    ...(ready ? {} : { pending_state: "ready" }),
    state_changed_at: branch.updatedAt,
    logical_size: branch.sizeBytes,
    creation_source: "console",
    primary: branch.default,
    default: branch.default,
    protected: branch.protected,
    cpu_used_sec: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    written_data_bytes: 0,
    data_transfer_bytes: 0,
    created_at: branch.createdAt,
    updated_at: branch.updatedAt,
    ttl_interval_seconds: branch.ttlSeconds,
    expires_at: branch.expiresAt === undefined ? undefined : inSeconds(branch.expiresAt),
    last_reset_at: branch.lastResetAt,
    created_by: { name: "sandbox", image: "" },
    init_source: branch.initSource,
    restore_status: branch.restoreStatus,
    restored_from: branch.restoredFrom,
    restored_as: branch.restoredAs,
    restricted_actions: branch.restoreStatus === undefined ? undefined : [{ name: "restore", reason: NO_HISTORY }],
  };
}

const inSeconds = (at: Date): string => at.toISOString().replace(".000Z", "Z");

/** As `postgresql://role:password@host/database?sslmode=require`. */
export function connectionUri(endpoint: Endpoint, role: string, password: string, database: string): string {
  return `postgresql://${encodeURIComponent(role)}:${encodeURIComponent(password)}@${endpoint.host}/${encodeURIComponent(database)}?sslmode=require&channel_binding=require`;
}

/** Addresses of every database of a branch through a compute, as its owner. */
export function connectionViews(branch: Branch, endpoint: Endpoint): object[] {
  return databasesOf(branch).flatMap((database) => {
    const password = rolesOf(branch).find((role) => role.name === database.owner)?.password;
    if (password === undefined) return [];
    const parameters = { database: database.name, password, role: database.owner, host: endpoint.host, pooler_host: endpoint.host };
    return [{ connection_uri: connectionUri(endpoint, database.owner, password, database.name), connection_parameters: parameters }];
  });
}
