// What belongs to the account: the user with the plan's limits, organizations, keys, regions, consumption.

import { type Answer, type ApiRequest, type Emulator, optional, required } from "./emulator.ts";
import { NeonApiError, notFound } from "./errors.ts";
import { mintKey } from "./ids.ts";
import type { ApiKey, Store } from "./state.ts";

const EMAIL = "sandbox@example.com";
const REGIONS = [
  { region_id: "aws-us-east-2", name: "AWS US East 2 (Ohio)", default: true, geo_lat: "40.0946354", geo_long: "-82.7541337" },
  { region_id: "aws-eu-central-1", name: "AWS Europe Central 1 (Frankfurt)", default: false, geo_lat: "50.1109221", geo_long: "8.6821267" },
];

export function addKey(store: Store, name: string, now: Date, projectId?: string, key = mintKey()): ApiKey {
  const made: ApiKey = { id: store.nextNumber++, key, name, createdAt: now, projectId };
  store.keys.set(key, made);
  return made;
}

export function getUser(emulator: Emulator): Answer {
  const { plan, limits, account } = emulator.store;
  return {
    status: 200,
    body: {
      active_seconds_limit: 0,
      auth_accounts: [{ email: EMAIL, image: "", login: "sandbox", name: "sandbox", provider: "github" }],
      email: EMAIL,
      id: account.id,
      image: "",
      login: "sandbox",
      name: "Sandbox",
      last_name: "",
      projects_limit: limits.projects,
      branches_limit: limits.branches,
      max_autoscaling_limit: plan === "free" ? 2 : 16,
      plan: `${plan}_v3`,
    },
  };
}

export function getAuth(emulator: Emulator, request: ApiRequest): Answer {
  return {
    status: 200,
    body: { account_id: emulator.store.account.orgId, auth_method: "api_key_user", auth_data: String(request.key.id) },
  };
}

export function listOrganizations(emulator: Emulator, request: ApiRequest): Answer {
  refuseProjectKey(request);
  const { account, plan } = emulator.store;
  const at = new Date(0);
  const organization = {
    id: account.orgId,
    name: "Sandbox",
    handle: "sandbox",
    plan: `${plan}_v3`,
    created_at: at,
    updated_at: at,
    managed_by: "console",
  };
  return { status: 200, body: { organizations: [organization] } };
}

export const listRegions = (): Answer => ({ status: 200, body: { regions: REGIONS } });

export function listKeys(emulator: Emulator, request: ApiRequest): Answer {
  refuseProjectKey(request);
  const creator = { id: emulator.store.account.id, name: "sandbox", image: "" };
  const keys = [...emulator.store.keys.values()].map((key) => ({
    id: key.id,
    name: key.name,
    created_at: key.createdAt,
    created_by: creator,
    last_used_at: key.lastUsedAt,
    last_used_from_addr: "127.0.0.1",
  }));
  return { status: 200, body: keys };
}

/** The secret is in this answer alone. */
export function createKey(emulator: Emulator, request: ApiRequest): Answer {
  refuseProjectKey(request);
  const projectId = request.params.org === undefined ? undefined : optional(request.body, "project_id", "string");
  if (projectId !== undefined && !emulator.store.projects.has(projectId)) throw notFound("project");
  const made = addKey(emulator.store, required(request.body, "key_name", "string"), emulator.time.now(), projectId);
  return {
    status: 200,
    body: {
      id: made.id,
      key: made.key,
      name: made.name,
      created_at: made.createdAt,
      created_by: emulator.store.account.id,
      ...(projectId === undefined ? {} : { project_id: projectId }),
    },
  };
}

export function revokeKey(emulator: Emulator, request: ApiRequest): Answer {
  refuseProjectKey(request);
  const found = [...emulator.store.keys.values()].find((key) => String(key.id) === request.params.key);
  if (found === undefined) throw notFound("key");
  emulator.store.keys.delete(found.key);
  return {
    status: 200,
    body: {
      id: found.id,
      name: found.name,
      created_at: found.createdAt,
      created_by: emulator.store.account.id,
      last_used_at: found.lastUsedAt,
      last_used_from_addr: "127.0.0.1",
      revoked: true,
    },
  };
}

/** Nothing is metered here, and the free plan has no history of it. */
export function consumption(emulator: Emulator, request: ApiRequest): Answer {
  if (emulator.store.plan === "free") throw new NeonApiError(403, "", "consumption history is not available on the free plan");
  for (const key of ["from", "to", "granularity", "org_id", "metrics"]) {
    if (!request.query.has(key)) throw new NeonApiError(400, "", `${key} is required`);
  }
  return { status: 200, body: request.params.kind === "branches" ? { branches: [] } : { projects: [] } };
}

function refuseProjectKey(request: ApiRequest): void {
  if (request.key.projectId !== undefined) throw new NeonApiError(403, "", "the key is for one project only");
}
