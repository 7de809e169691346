// A project as the API shows it.
import type { Emulator } from "./emulator.ts";
import type { Project } from "./state.ts";

/** The part of a project that the list shows too. */
export function commonView(emulator: Emulator, project: Project): object {
  return {
    id: project.id,
    platform_id: "aws",
    region_id: project.regionId,
    name: project.name,
    provisioner: "k8s-neonvm",
    default_endpoint_settings: {
      autoscaling_limit_min_cu: 0.25,
      autoscaling_limit_max_cu: 2,
      suspend_timeout_seconds: 0,
      ...project.endpointSettings,
    },
    settings: project.settings,
    pg_version: project.pgVersion,
    proxy_host: `${project.regionId}.aws.neon.tech`,
    branch_logical_size_limit: Math.floor((emulator.world.limits.storageBytes ?? 16 * 1024 ** 4) / 1024 ** 2),
    branch_logical_size_limit_bytes: emulator.world.limits.storageBytes ?? 16 * 1024 ** 4,
    store_passwords: true,
    cpu_used_sec: 0,
    creation_source: "console",
    history_retention_seconds: project.historySeconds,
    created_at: project.createdAt,
    updated_at: project.updatedAt,
    synthetic_storage_size: storageOf(project),
    owner_id: emulator.world.account.orgId,
    org_id: emulator.world.account.orgId,
  };
}

/** What is billed is not what databases hold; the sandbox takes one for the other. */
const storageOf = (project: Project): number => [...project.branches.values()].reduce((sum, branch) => sum + branch.sizeBytes, 0);

const SUBSCRIPTIONS = { free: "free_v3", launch: "launch_v3", scale: "scale_v3" } as const;

export function projectView(emulator: Emulator, project: Project): object {
  const now = emulator.time.now();
  return {
    ...commonView(emulator, project),
    data_storage_bytes_hour: 0,
    data_transfer_bytes: 0,
    written_data_bytes: 0,
    compute_time_seconds: 0,
    active_time_seconds: 0,
    consumption_period_start: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)),
    consumption_period_end: new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1)),
    owner: {
      email: "sandbox@example.com",
      name: "sandbox",
      branches_limit: emulator.world.limits.branches,
      subscription_type: SUBSCRIPTIONS[emulator.world.plan],
    },
  };
}
