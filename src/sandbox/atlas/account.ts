// The organization and its one project, and what a client looks at to see whether it may come in.
import { iso } from "./body.ts";
import { missing } from "./errors.ts";
import { page } from "./paging.ts";
import type { RateLimit } from "./rate-limits.ts";
import { type Answer, type Call, ok, type Realm } from "./realm.ts";
import type { Cluster } from "./state.ts";

export function getSystemStatus(realm: Realm): Answer {
  const apiKey = {
    accessList: [],
    id: realm.world.orgId,
    publicKey: "sandboxx",
    roles: [{ orgId: realm.world.orgId, roleName: "ORG_OWNER" }],
  };
  return ok({ apiKey, appName: "MongoDB Atlas", build: "sandbox", links: [], throttling: false });
}

export function listOrganizations(realm: Realm, call: Call): Answer {
  const { orgId, orgName } = realm.world;
  const asked = call.url.searchParams.get("name");
  const all = asked === null || orgName.startsWith(asked) ? [orgName] : [];
  return ok(page(call.url, all, (name) => ({ id: orgId, isDeleted: false, links: [], name, skipDefaultAlertsSettings: false })));
}

function group(realm: Realm): object {
  const { groupId, groupName, orgId, clusters, createdAt } = realm.world;
  return {
    clusterCount: clusters.size,
    created: iso(createdAt),
    id: groupId,
    links: [{ href: `${realm.origin}/api/atlas/v2/groups/${groupId}`, rel: "self" }],
    name: groupName,
    orgId,
    regionUsageRestrictions: "COMMERCIAL_FEDRAMP_REGIONS_ONLY",
    tags: [],
    withDefaultAlertsSettings: true,
  };
}

export const getGroup = (realm: Realm): Answer => ok(group(realm));
export const listGroups = (realm: Realm, call: Call): Answer => ok(page(call.url, [realm], group));

/** Every cluster of every project, in short. */
export function listAllClusters(realm: Realm, call: Call): Answer {
  const { groupId, groupName, orgId, orgName, clusters } = realm.world;
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
  return ok(page(call.url, [all], (each) => each));
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

export const listRateLimits = (realm: Realm, call: Call): Answer => ok(page(call.url, realm.buckets.limits, limitView));

export function getRateLimit(realm: Realm, call: Call): Answer {
  const found = realm.buckets.limits.find((limit) => limit.id === call.params.endpointSetId);
  if (found === undefined) throw missing("RATE_LIMIT_NOT_FOUND", "There is no such set of endpoints.", call.params.endpointSetId);
  return ok(limitView(found));
}
