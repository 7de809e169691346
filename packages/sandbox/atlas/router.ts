// Which handler answers which request, and in which versions. One table.
import { addAccess, getAccess, getAccessStatus, listAccess, removeAccess } from "./access-list.ts";
import { getGroup, getRateLimit, getSystemStatus, listAllClusters, listGroups, listOrganizations, listRateLimits } from "./account.ts";
import { createAlert, deleteAlert, getAlert, getRaised, listAlerts, listRaised, updateAlert } from "./alerts.ts";
import { createCluster, deleteCluster, getAutoScaling, getCluster, getStatus, listClusters, updateCluster } from "./clusters.ts";
import {
  createCollectionRestore,
  getCollectionRestore,
  getRestoredCollection,
  listCollectionRestores,
  listRestoredCollections,
} from "./collection-restore.ts";
import { deleteCompliance, getCompliance, putCompliance } from "./compliance.ts";
import type { Answer, ApiRequest, Emulator } from "./emulator.ts";
import { getEncryption, updateEncryption } from "./encryption.ts";
import { AtlasApiError, missing } from "./errors.ts";
import { getEvent, listEvents } from "./events.ts";
import { createBucket, deleteBucket, getBucket, listBuckets, updateBucket } from "./export-buckets.ts";
import { createExport, getExport, listExports } from "./exports.ts";
import { createFlex, deleteFlex, getFlex, listFlex, updateFlex } from "./flex.ts";
import {
  createFlexDownload,
  createFlexRestore,
  getFlexRestore,
  getFlexSnapshot,
  listFlexRestores,
  listFlexSnapshots,
} from "./flex-backup.ts";
import type { Versions } from "./media.ts";
import { getProcessArgs, updateProcessArgs } from "./process-args.ts";
import { cancelRestoreJob, createRestoreJob, getRestoreJob, listRestoreJobs } from "./restore-jobs.ts";
import { deleteSchedule, getSchedule, updateSchedule } from "./schedule.ts";
import {
  createSnapshot,
  deleteSnapshot,
  getCollection,
  getDatabase,
  getSnapshot,
  listCollections,
  listDatabases,
  listSharded,
  listSnapshots,
  noSharded,
  updateSnapshot,
} from "./snapshots.ts";

type Handler = (emulator: Emulator, request: ApiRequest) => Answer | Promise<Answer>;

/** Versions whose form the emulator does not speak are answered like those that the real service has removed. */
const V = {
  first: { dates: ["2023-01-01"] },
  read: { dates: ["2023-01-01", "2023-02-01", "2024-08-05"] },
  write: { dates: ["2023-01-01", "2023-02-01", "2024-08-05", "2024-10-23"] },
  end: { dates: ["2023-01-01", "2023-02-01"] },
  since2024: { dates: ["2024-08-05"] },
  schedule: { dates: ["2023-01-01", "2024-08-05"] },
  buckets: { dates: ["2024-05-30"], gone: ["2023-01-01"] },
  compliance: { dates: ["2023-10-01"], gone: ["2023-01-01"] },
  flex: { dates: ["2024-11-13"] },
  newest: { dates: ["2025-03-12"] },
} as const satisfies Readonly<Record<string, Versions>>;

const G = "/groups/:groupId";
const C = `${G}/clusters/:clusterName`;
const S = `${C}/backup/snapshots/:snapshotId`;
const F = `${G}/flexClusters/:name`;

const TABLE: readonly (readonly [string, string, Handler, Versions])[] = [
  ["GET", "", getSystemStatus, V.first],
  ["GET", "/orgs", listOrganizations, V.first],
  ["GET", "/groups", listGroups, V.first],
  ["GET", "/clusters", listAllClusters, V.first],
  ["GET", "/rateLimits", listRateLimits, V.newest],
  ["GET", "/rateLimits/:endpointSetId", getRateLimit, V.newest],
  ["GET", G, getGroup, V.first],
  ["GET", `${G}/accessList`, listAccess, V.first],
  ["POST", `${G}/accessList`, addAccess, V.first],
  ["GET", `${G}/accessList/:entryValue`, getAccess, V.first],
  ["GET", `${G}/accessList/:entryValue/status`, getAccessStatus, V.first],
  ["DELETE", `${G}/accessList/:entryValue`, removeAccess, V.first],
  ["GET", `${G}/alerts`, listRaised, V.first],
  ["GET", `${G}/alerts/:alertId`, getRaised, V.first],
  ["GET", `${G}/alertConfigs`, listAlerts, V.first],
  ["POST", `${G}/alertConfigs`, createAlert, V.first],
  ["GET", `${G}/alertConfigs/:alertConfigId`, getAlert, V.first],
  ["PUT", `${G}/alertConfigs/:alertConfigId`, updateAlert, V.first],
  ["PATCH", `${G}/alertConfigs/:alertConfigId`, updateAlert, V.first],
  ["DELETE", `${G}/alertConfigs/:alertConfigId`, deleteAlert, V.first],
  ["GET", `${G}/events`, listEvents, V.first],
  ["GET", `${G}/events/:eventId`, getEvent, V.first],
  ["GET", `${G}/encryptionAtRest`, getEncryption, V.first],
  ["PATCH", `${G}/encryptionAtRest`, updateEncryption, V.first],
  ["GET", `${G}/backupCompliancePolicy`, getCompliance, V.compliance],
  ["PUT", `${G}/backupCompliancePolicy`, putCompliance, V.compliance],
  ["DELETE", `${G}/backupCompliancePolicy`, deleteCompliance, V.flex],
  ["GET", `${G}/backup/exportBuckets`, listBuckets, V.buckets],
  ["POST", `${G}/backup/exportBuckets`, createBucket, V.buckets],
  ["GET", `${G}/backup/exportBuckets/:exportBucketId`, getBucket, V.buckets],
  ["PATCH", `${G}/backup/exportBuckets/:exportBucketId`, updateBucket, V.buckets],
  ["DELETE", `${G}/backup/exportBuckets/:exportBucketId`, deleteBucket, V.first],
  ["GET", `${G}/clusters`, listClusters, V.read],
  ["POST", `${G}/clusters`, createCluster, V.write],
  ["GET", C, getCluster, V.read],
  ["PATCH", C, updateCluster, V.write],
  ["DELETE", C, deleteCluster, V.end],
  ["GET", `${C}/status`, getStatus, V.first],
  ["GET", `${C}/autoScalingConfiguration`, getAutoScaling, V.since2024],
  ["GET", `${C}/processArgs`, getProcessArgs, V.schedule],
  ["PATCH", `${C}/processArgs`, updateProcessArgs, V.schedule],
  ["GET", `${C}/backup/schedule`, getSchedule, V.schedule],
  ["PATCH", `${C}/backup/schedule`, updateSchedule, V.schedule],
  ["DELETE", `${C}/backup/schedule`, deleteSchedule, V.schedule],
  ["GET", `${C}/backup/snapshots`, listSnapshots, V.first],
  ["POST", `${C}/backup/snapshots`, createSnapshot, V.first],
  ["GET", `${C}/backup/snapshots/shardedClusters`, listSharded, V.first],
  ["GET", `${C}/backup/snapshots/shardedCluster/:snapshotId`, noSharded, V.first],
  ["DELETE", `${C}/backup/snapshots/shardedCluster/:snapshotId`, noSharded, V.first],
  ["GET", S, getSnapshot, V.first],
  ["PATCH", S, updateSnapshot, V.first],
  ["DELETE", S, deleteSnapshot, V.first],
  ["GET", `${S}/databases`, listDatabases, V.newest],
  ["GET", `${S}/databases/:databaseName`, getDatabase, V.newest],
  ["GET", `${S}/databases/:databaseName/collections`, listCollections, V.newest],
  ["GET", `${S}/databases/:databaseName/collections/:collectionName`, getCollection, V.newest],
  ["GET", `${C}/backup/restoreJobs`, listRestoreJobs, V.first],
  ["POST", `${C}/backup/restoreJobs`, createRestoreJob, V.first],
  ["GET", `${C}/backup/restoreJobs/:restoreJobId`, getRestoreJob, V.first],
  ["DELETE", `${C}/backup/restoreJobs/:restoreJobId`, cancelRestoreJob, V.first],
  ["GET", `${C}/backup/exports`, listExports, V.first],
  ["POST", `${C}/backup/exports`, createExport, V.first],
  ["GET", `${C}/backup/exports/:exportId`, getExport, V.first],
  ["GET", `${C}/collectionRestoreJobs`, listCollectionRestores, V.newest],
  ["POST", `${C}/collectionRestoreJobs`, createCollectionRestore, V.newest],
  ["GET", `${C}/collectionRestoreJobs/:jobId`, getCollectionRestore, V.newest],
  ["GET", `${C}/collectionRestoreJobs/:jobId/collections`, listRestoredCollections, V.newest],
  ["GET", `${C}/collectionRestoreJobs/:jobId/collections/:sourceNamespace`, getRestoredCollection, V.newest],
  ["GET", `${G}/flexClusters`, listFlex, V.flex],
  ["POST", `${G}/flexClusters`, createFlex, V.flex],
  ["GET", F, getFlex, V.flex],
  ["PATCH", F, updateFlex, V.flex],
  ["DELETE", F, deleteFlex, V.flex],
  ["GET", `${F}/backup/snapshots`, listFlexSnapshots, V.flex],
  ["GET", `${F}/backup/snapshots/:snapshotId`, getFlexSnapshot, V.flex],
  ["GET", `${F}/backup/restoreJobs`, listFlexRestores, V.flex],
  ["POST", `${F}/backup/restoreJobs`, createFlexRestore, V.flex],
  ["GET", `${F}/backup/restoreJobs/:restoreJobId`, getFlexRestore, V.flex],
  ["POST", `${F}/backup/download`, createFlexDownload, V.flex],
];

const ROUTES = TABLE.map(([method, path, handler, versions]) => ({ method, words: path.split("/"), handler, versions }));

/** `path` without query, below `/api/atlas/v2`. Fixed words win over parameters. 404 for no such path, 405 for no such method. */
export function resolve(
  method: string,
  path: string,
): { readonly handler: Handler; readonly params: Record<string, string>; readonly versions: Versions } {
  const words = path.replace(/\/$/, "").split("/").map(decode);
  const fitting = ROUTES.filter(
    (route) => route.words.length === words.length && route.words.every((word, at) => fits(word, words[at] ?? "")),
  );
  const open = (route: (typeof ROUTES)[number]): number => route.words.filter((word) => word.startsWith(":")).length;
  const [best] = fitting.filter((route) => route.method === method).sort((a, b) => open(a) - open(b));
  if (best === undefined) {
    if (fitting.length > 0) throw new AtlasApiError(405, "METHOD_NOT_ALLOWED", `${method} is not allowed here.`, [method, path]);
    throw missing("RESOURCE_NOT_FOUND", `Cannot find resource ${path}.`, path);
  }
  const params = Object.fromEntries(best.words.flatMap((word, at) => (word.startsWith(":") ? [[word.slice(1), words[at] ?? ""]] : [])));
  return { handler: best.handler, params, versions: best.versions };
}

const fits = (pattern: string, word: string): boolean => (pattern.startsWith(":") ? word !== "" : pattern === word);

function decode(word: string): string {
  try {
    return decodeURIComponent(word);
  } catch {
    throw missing("RESOURCE_NOT_FOUND", `Cannot find resource ${word}.`, word);
  }
}

/** Every request that has a handler: method, and path with `:names`. */
export function requests(): readonly { readonly method: string; readonly path: string }[] {
  return ROUTES.map(({ method, words }) => ({ method, path: words.join("/") }));
}
