// Buckets that snapshots are exported to. Each is emulated by a directory.
import { oneOf, onlyKnown, required } from "./body.ts";
import { linkTo } from "./cluster-view.ts";
import { type Answer, type ApiRequest, type Emulator, GONE, ok } from "./emulator.ts";
import { conflict, invalidAttribute, missing, missingAttribute, refused } from "./errors.ts";
import { checkPermission } from "./export-work.ts";
import { ID } from "./ids.ts";
import { page } from "./paging.ts";
import type { ExportBucket } from "./state.ts";

const NAME = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  AWS: ["bucketName", "iamRoleId"],
  AZURE: ["bucketName", "roleId", "serviceUrl"],
  GCP: ["bucketName", "roleId"],
};

const view = (emulator: Emulator, bucket: ExportBucket): object => ({
  ...bucket.more,
  _id: bucket.id,
  bucketName: bucket.bucketName,
  cloudProvider: bucket.cloudProvider,
  links: [{ href: linkTo(emulator, `/backup/exportBuckets/${bucket.id}`), rel: "self" }],
});

export function listBuckets(emulator: Emulator, request: ApiRequest): Answer {
  return ok(page(request.url, [...emulator.store.buckets.values()], (bucket) => view(emulator, bucket)));
}

export function bucketOf(emulator: Emulator, id: string | undefined): ExportBucket {
  const found = emulator.store.buckets.get(id ?? "");
  if (found === undefined) throw missing("EXPORT_BUCKET_NOT_FOUND", `No export bucket with ID ${id} exists.`, id);
  return found;
}

export function getBucket(emulator: Emulator, request: ApiRequest): Answer {
  return ok(view(emulator, bucketOf(emulator, request.params.exportBucketId)));
}

export async function createBucket(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const { body } = request;
  const cloudProvider = oneOf(body, "cloudProvider", ["AWS", "AZURE", "GCP"]);
  if (cloudProvider === undefined) throw missingAttribute("cloudProvider");
  const needed = NEEDED[cloudProvider] ?? [];
  onlyKnown(body, ["cloudProvider", "links", "tenantId", "requirePrivateNetworking", "region", ...needed]);
  for (const key of needed) required(body, key, "string");
  for (const key of ["iamRoleId", "roleId"]) if (needed.includes(key) && !ID.test(String(body[key]))) throw invalidAttribute(key);
  const bucketName = required(body, "bucketName", "string");
  if (!NAME.test(bucketName)) throw invalidAttribute("bucketName");
  for (const other of emulator.store.buckets.values()) {
    if (other.bucketName === bucketName && other.cloudProvider === cloudProvider)
      throw conflict("DUPLICATE_EXPORT_BUCKET", `Bucket ${bucketName} is known already.`, bucketName);
  }
  await checkPermission(emulator, bucketName);
  const more = Object.fromEntries(Object.entries(body).filter(([key]) => !["links", "cloudProvider", "bucketName"].includes(key)));
  if (cloudProvider === "AWS") more.requirePrivateNetworking ??= false;
  const bucket: ExportBucket = { id: emulator.mint(), bucketName, cloudProvider, more };
  emulator.store.buckets.set(bucket.id, bucket);
  emulator.tell("BUCKET_CREATED_AUDIT");
  return ok(view(emulator, bucket));
}

export function updateBucket(emulator: Emulator, request: ApiRequest): Answer {
  const bucket = bucketOf(emulator, request.params.exportBucketId);
  onlyKnown(request.body, ["requirePrivateNetworking"]);
  bucket.more.requirePrivateNetworking = required(request.body, "requirePrivateNetworking", "boolean");
  return ok(view(emulator, bucket));
}

export function deleteBucket(emulator: Emulator, request: ApiRequest): Answer {
  const bucket = bucketOf(emulator, request.params.exportBucketId);
  const used = [...emulator.store.clusters.values()].some(
    ({ schedule }) => schedule?.autoExport === true && schedule.exportTo?.exportBucketId === bucket.id,
  );
  if (used) throw refused("CANNOT_DELETE_EXPORT_BUCKET_IN_USE", `Export bucket ${bucket.id} is used by a schedule.`, bucket.id);
  emulator.store.buckets.delete(bucket.id);
  emulator.tell("BUCKET_DELETED_AUDIT");
  return GONE;
}
