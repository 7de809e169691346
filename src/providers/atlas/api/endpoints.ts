// Every call we make at Atlas: method, path, version of its media type, and the role that it needs in the project.
//
// The versions are those current in November 2026; the server answers with the newest one that is not later, so naming an exact
// date keeps the shape of answers. A version past its sunset is answered by 410. The roles are the ones that Atlas's own description
// of its API names: a key that only watches needs `Project Read Only` and `Project Backup Manager`; one that also takes snapshots,
// `Project Backup Creator`; one that restores, `Project Backup Recovery Operator`; and scratch clusters need
// `Project Cluster Creator` to be made and `Project Owner` to be deleted.

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

export interface Endpoint {
  readonly method: Method;
  /** Below the project; `{name}` and the like are filled in. */
  readonly path: string;
  readonly version: string;
  readonly role: string;
}

const endpoint = (method: Method, path: string, version: string, role: string): Endpoint => ({ method, path, version, role });

const CLUSTER = "/clusters/{cluster}";
const FLEX = "/flexClusters/{cluster}";
const READ = "Project Read Only";
const BACKUPS = "Project Backup Manager";
const RECOVERY = "Project Backup Recovery Operator";
const OWNER = "Project Owner";

export const ENDPOINTS = {
  listClusters: endpoint("GET", "/clusters", "2024-08-05", READ),
  createCluster: endpoint("POST", "/clusters", "2024-10-23", "Project Cluster Creator"),
  readCluster: endpoint("GET", CLUSTER, "2024-08-05", READ),
  updateCluster: endpoint("PATCH", CLUSTER, "2024-10-23", "Project Cluster Manager"),
  deleteCluster: endpoint("DELETE", CLUSTER, "2023-02-01", OWNER),

  readSchedule: endpoint("GET", `${CLUSTER}/backup/schedule`, "2024-08-05", READ),
  updateSchedule: endpoint("PATCH", `${CLUSTER}/backup/schedule`, "2024-08-05", BACKUPS),

  listSnapshots: endpoint("GET", `${CLUSTER}/backup/snapshots`, "2023-01-01", READ),
  createSnapshot: endpoint("POST", `${CLUSTER}/backup/snapshots`, "2023-01-01", "Project Backup Creator"),
  readSnapshot: endpoint("GET", `${CLUSTER}/backup/snapshots/{id}`, "2023-01-01", READ),
  keepSnapshot: endpoint("PATCH", `${CLUSTER}/backup/snapshots/{id}`, "2023-01-01", BACKUPS),
  deleteSnapshot: endpoint("DELETE", `${CLUSTER}/backup/snapshots/{id}`, "2023-01-01", BACKUPS),
  listShardedSnapshots: endpoint("GET", `${CLUSTER}/backup/snapshots/shardedClusters`, "2023-01-01", READ),
  readShardedSnapshot: endpoint("GET", `${CLUSTER}/backup/snapshots/shardedCluster/{id}`, "2023-01-01", READ),
  deleteShardedSnapshot: endpoint("DELETE", `${CLUSTER}/backup/snapshots/shardedCluster/{id}`, "2023-01-01", BACKUPS),
  listSnapshotDatabases: endpoint("GET", `${CLUSTER}/backup/snapshots/{id}/databases`, "2025-03-12", BACKUPS),
  listSnapshotCollections: endpoint("GET", `${CLUSTER}/backup/snapshots/{id}/databases/{database}/collections`, "2025-03-12", BACKUPS),

  listRestoreJobs: endpoint("GET", `${CLUSTER}/backup/restoreJobs`, "2023-01-01", BACKUPS),
  createRestoreJob: endpoint("POST", `${CLUSTER}/backup/restoreJobs`, "2023-01-01", RECOVERY),
  readRestoreJob: endpoint("GET", `${CLUSTER}/backup/restoreJobs/{id}`, "2023-01-01", BACKUPS),

  listCollectionRestores: endpoint("GET", `${CLUSTER}/collectionRestoreJobs`, "2025-03-12", BACKUPS),
  createCollectionRestore: endpoint("POST", `${CLUSTER}/collectionRestoreJobs`, "2025-03-12", RECOVERY),
  readCollectionRestore: endpoint("GET", `${CLUSTER}/collectionRestoreJobs/{id}`, "2025-03-12", BACKUPS),
  listRestoredCollections: endpoint("GET", `${CLUSTER}/collectionRestoreJobs/{id}/collections`, "2025-03-12", BACKUPS),

  listBuckets: endpoint("GET", "/backup/exportBuckets", "2024-05-30", READ),
  listExports: endpoint("GET", `${CLUSTER}/backup/exports`, "2023-01-01", BACKUPS),
  createExport: endpoint("POST", `${CLUSTER}/backup/exports`, "2023-01-01", "Project Backup Export Operator"),
  readExport: endpoint("GET", `${CLUSTER}/backup/exports/{id}`, "2023-01-01", BACKUPS),

  readCompliance: endpoint("GET", "/backupCompliancePolicy", "2023-10-01", OWNER),
  readEncryption: endpoint("GET", "/encryptionAtRest", "2023-01-01", READ),

  listFlex: endpoint("GET", "/flexClusters", "2024-11-13", READ),
  createFlex: endpoint("POST", "/flexClusters", "2024-11-13", OWNER),
  readFlex: endpoint("GET", FLEX, "2024-11-13", READ),
  updateFlex: endpoint("PATCH", FLEX, "2024-11-13", OWNER),
  deleteFlex: endpoint("DELETE", FLEX, "2024-11-13", OWNER),
  listFlexSnapshots: endpoint("GET", `${FLEX}/backup/snapshots`, "2024-11-13", READ),
  listFlexRestores: endpoint("GET", `${FLEX}/backup/restoreJobs`, "2024-11-13", READ),
  createFlexRestore: endpoint("POST", `${FLEX}/backup/restoreJobs`, "2024-11-13", RECOVERY),
  readFlexRestore: endpoint("GET", `${FLEX}/backup/restoreJobs/{id}`, "2024-11-13", READ),
} as const satisfies Readonly<Record<string, Endpoint>>;

export type EndpointName = keyof typeof ENDPOINTS;

export const mediaTypeOf = ({ version }: Endpoint): string => `application/vnd.atlas.${version}+json`;

/** The path with every `{name}` filled in and encoded. */
export function pathOf({ path }: Endpoint, values: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(values[key] ?? ""));
}
