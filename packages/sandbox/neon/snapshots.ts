// Snapshots of root branches: take, list, change, delete.

import { type Answer, type ApiRequest, type Emulator, instant, optional, part } from "./emulator.ts";
import { invalid, limitReached, NeonApiError, refused } from "./errors.ts";
import { mintId } from "./ids.ts";
import { operationViews, queue } from "./operations.ts";
import { forkAt, pointOf, refuseLostHistory } from "./points.ts";
import { type Branch, isRoot, type NeonProject, type Snapshot } from "./state.ts";

export function snapshotView(snapshot: Snapshot): object {
  return {
    id: snapshot.id,
    name: snapshot.name,
    slug: snapshot.slug,
    lsn: snapshot.lsn,
    timestamp: snapshot.timestamp,
    source_branch_id: snapshot.sourceBranchId,
    created_at: snapshot.createdAt,
    expires_at: snapshot.expiresAt,
    manual: snapshot.manual,
    full_size: snapshot.sizeBytes,
  };
}

export function listSnapshots(emulator: Emulator, request: ApiRequest): Answer {
  return { status: 200, body: { snapshots: [...emulator.project(request).snapshots.values()].map(snapshotView) } };
}

/** Reads the query alone; ignores a body. */
export async function createSnapshot(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const branch = emulator.branch(project, request.params.branch);
  const said = (key: string): string | undefined => request.query.get(key) ?? undefined;
  if (!isRoot(branch)) throw refused("snapshots can only be created from root branches");
  const { manualSnapshots } = emulator.store.limits;
  if ([...project.snapshots.values()].filter((snapshot) => snapshot.manual).length >= manualSnapshots) {
    throw limitReached("SNAPSHOTS_LIMIT_EXCEEDED", `snapshots limit exceeded, limit: ${manualSnapshots}`);
  }
  const point = pointOf(said("timestamp"), said("lsn"));
  refuseLostHistory(branch, point);
  const now = emulator.time.now();
  const name = said("name") ?? `${branch.name} at ${now.toISOString()}`;
  checkFree(project, name, said("slug"));
  const expires = said("expires_at");
  const expiresAt = expires === undefined ? undefined : expiryOf(emulator, expires);
  const at = await forkAt(emulator, project, branch, point);
  const snapshot = await addSnapshot(emulator, project, branch, {
    ...at,
    name,
    slug: said("slug"),
    expiresAt,
    createdAt: now,
    manual: true,
  });
  const operations = queue(emulator, project, [{ action: "create_timeline", branchId: branch.id }], request.stuck);
  return { status: 200, body: { snapshot: snapshotView(snapshot), operations: operationViews(emulator, project, operations) } };
}

interface Taken extends Pick<Snapshot, "line" | "lsn" | "catalog" | "name" | "expiresAt" | "createdAt" | "manual"> {
  readonly at: Date;
  readonly slug?: string | undefined;
}

export async function addSnapshot(emulator: Emulator, project: NeonProject, branch: Branch, taken: Taken): Promise<Snapshot> {
  const { line, lsn, at, catalog, name, slug, expiresAt, createdAt, manual } = taken;
  const id = mintId("snap");
  const sizeBytes = (await emulator.fleet.facts(branch.line)).sizeBytes ?? branch.sizeBytes;
  const snapshot: Snapshot = {
    id,
    name,
    slug: slug ?? id.replace(/^snap-/, "s-"),
    lsn,
    timestamp: at,
    sourceBranchId: branch.id,
    createdAt,
    expiresAt,
    manual,
    line,
    catalog,
    sizeBytes,
  };
  project.snapshots.set(id, snapshot);
  return snapshot;
}

function checkFree(project: NeonProject, name: string, slug: string | undefined, except?: Snapshot): void {
  if (name === "" || name.length > 256) throw invalid("snapshot name must have 1 to 256 characters");
  for (const snapshot of project.snapshots.values()) {
    if (snapshot === except) continue;
    if (snapshot.name === name) throw new NeonApiError(409, "", `snapshot with the provided name "${name}" already exists`);
    if (slug !== undefined && snapshot.slug === slug)
      throw new NeonApiError(409, "", `snapshot with the provided slug "${slug}" already exists`);
  }
}

function expiryOf(emulator: Emulator, text: string): Date {
  const at = instant(text, "expires_at");
  if (at <= emulator.time.now()) throw invalid("expires_at must be in the future");
  return at;
}

export function updateSnapshot(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const snapshot = emulator.snapshot(project, request.params.snapshot);
  const wanted = part(request.body, "snapshot");
  const name = optional(wanted, "name", "string") ?? snapshot.name;
  checkFree(project, name, undefined, snapshot);
  const expires = optional(wanted, "expires_at", "string");
  if (expires !== undefined) snapshot.expiresAt = expiryOf(emulator, expires);
  else if (wanted.expires_at === null) snapshot.expiresAt = undefined;
  snapshot.name = name;
  return { status: 200, body: { snapshot: snapshotView(snapshot) } };
}

export async function deleteSnapshot(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const snapshot = emulator.snapshot(project, request.params.snapshot);
  await removeSnapshot(emulator, project, snapshot);
  const operations = queue(emulator, project, [{ action: "delete_timeline", branchId: snapshot.sourceBranchId }], request.stuck);
  return { status: 202, body: { operations: operationViews(emulator, project, operations) } };
}

export async function removeSnapshot(emulator: Emulator, project: NeonProject, snapshot: Snapshot): Promise<void> {
  project.snapshots.delete(snapshot.id);
  project.gone.add(snapshot.id);
  await emulator.fleet.remove(snapshot.line);
}
