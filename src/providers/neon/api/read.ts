// Makes our objects of Neon's. A field that is missing where it must be is an answer that cannot be trusted: PROVIDER_FAILED.
import type { AnnotationData, Branch, Endpoint, Operation, Project, Snapshot } from "@neon/sdk/raw";
import { LifeboatError } from "../../../core/errors.ts";
import type { NeonBranch, NeonCompute, NeonOperation, NeonProject, NeonSnapshot } from "./types.ts";

export function need<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new LifeboatError("PROVIDER_FAILED", `Neon's answer has no ${what}`);
  return value;
}

function instant(text: string | undefined | null, what: string): Date | undefined {
  if (text === undefined || text === null || text === "") return undefined;
  const at = new Date(text);
  if (Number.isNaN(at.getTime())) throw new LifeboatError("PROVIDER_FAILED", `Neon's answer has no readable ${what}`);
  return at;
}

export function readProject(project: Project): NeonProject {
  const quota = project.settings?.quota?.logical_size_bytes ?? 0;
  const limits = [project.branch_logical_size_limit_bytes ?? 0, quota].filter((bytes) => bytes > 0);
  return {
    id: need(project.id, "project id"),
    name: project.name ?? project.id,
    region: project.region_id ?? "",
    historySeconds: need(project.history_retention_seconds, "history window"),
    subscription: project.owner?.subscription_type,
    branchesLimit: project.owner?.branches_limit,
    branchSizeLimitBytes: limits.length === 0 ? undefined : Math.min(...limits),
  };
}

/** Key of our annotation on a branch. */
export const ANNOTATION = "lifeboat";

export function readBranch(branch: Branch, annotation?: AnnotationData): NeonBranch {
  return {
    id: need(branch.id, "branch id"),
    name: need(branch.name, "branch name"),
    mark: annotation?.value?.[ANNOTATION] || undefined,
    parentId: branch.parent_id || undefined,
    parentTime: instant(branch.parent_timestamp, "parent timestamp"),
    isDefault: branch.default === true,
    isProtected: branch.protected === true,
    createdAt: need(instant(branch.created_at, "creation time"), "creation time"),
    lastResetAt: instant(branch.last_reset_at, "reset time"),
    expiresAt: instant(branch.expires_at, "expiry"),
    sizeBytes: branch.logical_size ?? undefined,
    restoreStatus: branch.restore_status || undefined,
    restoredFrom: branch.restored_from || undefined,
    restoredFor: branch.restored_as || undefined,
    state: branch.pending_state ?? branch.current_state ?? "ready",
  };
}

export function readSnapshot(snapshot: Snapshot): NeonSnapshot {
  return {
    id: need(snapshot.id, "snapshot id"),
    name: need(snapshot.name, "snapshot name"),
    branchId: snapshot.source_branch_id || undefined,
    createdAt: need(instant(snapshot.created_at, "creation time"), "creation time"),
    time: instant(snapshot.timestamp, "snapshot timestamp"),
    expiresAt: instant(snapshot.expires_at, "expiry"),
    // When Neon does not say, no schedule is assumed: nothing then relies on its being removed by itself.
    manual: snapshot.manual !== false,
    sizeBytes: snapshot.diff_size ?? snapshot.full_size ?? undefined,
  };
}

export function readCompute(endpoint: Endpoint): NeonCompute {
  return {
    id: need(endpoint.id, "endpoint id"),
    host: need(endpoint.host, "endpoint host"),
    branchId: need(endpoint.branch_id, "endpoint branch"),
    writable: endpoint.type === "read_write",
    state: endpoint.current_state ?? "idle",
    disabled: endpoint.disabled === true,
  };
}

export function readOperation(operation: Operation): NeonOperation {
  return {
    id: need(operation.id, "operation id"),
    action: operation.action ?? "unknown",
    status: need(operation.status, "operation status"),
    error: operation.error || undefined,
  };
}

/** The operations of an answer; an answer without any started none. */
/** Of any answer that may have some. Throws for an answer that cannot be understood. */
export function readOperations(data: unknown): NeonOperation[] {
  if (typeof data !== "object" || data === null || !("operations" in data) || data.operations === null) return [];
  const operations: readonly Operation[] = need(Array.isArray(data.operations) ? data.operations : undefined, "operations");
  return operations.map(readOperation);
}
