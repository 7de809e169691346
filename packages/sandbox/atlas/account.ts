// The organization and its one project, and what a client reads to see whether it has access.
import { iso } from "./body.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { missing } from "./errors.ts";
import { page } from "./paging.ts";
import type { RateLimit } from "./rate-limits.ts";
import type { Cluster } from "./state.ts";

export function getSystemStatus(emulator: Emulator): Answer {
  const apiKey = {
    accessList: [],
    id: emulator.store.orgId,
    publicKey: "sandboxx",
    roles: [{ orgId: emulator.store.orgId, roleName: "ORG_OWNER" }],
  };
  return ok({ apiKey, appName: "MongoDB Atlas", build: "sandbox", links: [], throttling: false });
}

export function listOrganizations(emulator: Emulator, request: ApiRequest): Answer {
  const { orgId, orgName } = emulator.store;
  const asked = request.url.searchParams.get("name");
  const all = asked === null || orgName.startsWith(asked) ? [orgName] : [];
  return ok(page(request.url, all, (name) => ({ id: orgId, isDeleted: false, links: [], name, skipDefaultAlertsSettings: false })));
}

function group(emulator: Emulator): object {
  const { groupId, groupName, orgId, clusters, createdAt } = emulator.store;
  return {
    clusterCount: clusters.size,
    created: iso(createdAt),
    id: groupId,
    links: [{ href: `${emulator.origin}/api/atlas/v2/groups/${groupId}`, rel: "self" }],
    name: groupName,
    orgId,
    regionUsageRestrictions: "COMMERCIAL_FEDRAMP_REGIONS_ONLY",
    tags: [],
    withDefaultAlertsSettings: true,
  };
}

export const getGroup = (emulator: Emulator): Answer => ok(group(emulator));
export const listGroups = (emulator: Emulator, request: ApiRequest): Answer => ok(page(request.url, [emulator], group));

/** Every cluster of every project, in short. */
export function listAllClusters(emulator: Emulator, request: ApiRequest): Answer {
  const { groupId, groupName, orgId, orgName, clusters } = emulator.store;
  const short = (cluster: Cluster): object => ({
    alertCount: 0,
    authEnabled: true,
    availability: cluster.data === undefined ? "unavailable" : "available",
    backupEnabled: cluster.settings.backupEnabled,
    clusterId: cluster.id,
    dataSizeBytes: 0,
    name: cluster.name,
    nodeCount: 3,
    sslEnabled: false,
    type: "REPLICA_SET",
    versions: [cluster.settings.mongoDBVersion],
  });
  const all = { clusters: [...clusters.values()].map(short), groupId, groupName, orgId, orgName, planType: "Atlas", tags: [] };
  return ok(page(request.url, [all], (each) => each));
}

const limitView = (limit: RateLimit): object => ({
  capacity: { defaultValue: limit.capacity, value: limit.capacity },
  endpointSetId: limit.id,
  endpointSetName: limit.name,
  endpoints: [],
  refillDurationSeconds: { defaultValue: limit.refillDurationSeconds, value: limit.refillDurationSeconds },
  refillRate: { defaultValue: limit.refillRate, value: limit.refillRate },
  scope: "GROUP",
});

export const listRateLimits = (emulator: Emulator, request: ApiRequest): Answer =>
  ok(page(request.url, emulator.buckets.limits, limitView));

export function getRateLimit(emulator: Emulator, request: ApiRequest): Answer {
  const found = emulator.buckets.limits.find((limit) => limit.id === request.params.endpointSetId);
  if (found === undefined) throw missing("RATE_LIMIT_NOT_FOUND", "There is no such set of endpoints.", request.params.endpointSetId);
  return ok(limitView(found));
}
