// Restores: a branch gets the state of a past instant, or of another branch. The connection string stays, the branch id changes,
// and what was there before stays as a branch of its own.
import { branchView } from "./branch-view.ts";
import { checkName, checkRoom } from "./branches.ts";
import { repassword } from "./catalog.ts";
import { moveEndpoints } from "./computes.ts";
import { type Answer, type ApiRequest, type Emulator, optional, required } from "./emulator.ts";
import { invalid, refused } from "./errors.ts";
import { mintId } from "./ids.ts";
import { operationViews, queue, type Step } from "./operations.ts";
import { forkAt, pointOf, refuseLostHistory } from "./points.ts";
import { type Branch, type Catalog, childrenOf, isRoot, type NeonProject, rolesOf } from "./state.ts";

export async function restoreBranch(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const target = emulator.branch(project, request.params.branch);
  const source = emulator.branch(project, required(request.body, "source_branch_id", "string"));
  const point = pointOf(
    optional(request.body, "source_timestamp", "string"),
    optional(request.body, "source_lsn", "string"),
    "source_timestamp",
  );
  const asked = optional(request.body, "preserve_under_name", "string");
  const ofItself = source === target;
  if (ofItself && point.kind === "head") throw invalid("a restore of a branch to itself needs source_timestamp or source_lsn");
  if (ofItself && asked === undefined) throw invalid("preserve_under_name is required to restore a branch to itself");
  if (asked === undefined && childrenOf(project, target).length > 0) {
    throw invalid("preserve_under_name is required for a branch that has children");
  }
  if (point.kind !== "head" && !isRoot(target)) throw refused("restore to a point in time is only possible for root branches");
  refuseLostHistory(source, point);
  const heldUntil = target.parentId === source.id ? source.childrenHeldUntil : undefined;
  if (heldUntil !== undefined && heldUntil > emulator.time.now()) {
    throw refused(`branch cannot be reset until ${heldUntil.toISOString()}: its parent was restored from a snapshot`);
  }
  // A root leaves its old state behind even when no name is given.
  const now = emulator.time.now();
  const keepAs = asked ?? (isRoot(target) ? `${target.name}_old_${now.toISOString()}` : undefined);
  if (keepAs === undefined) return reset(emulator, request, project, target, source);
  checkName(project, keepAs);
  checkRoom(emulator, project, { root: isRoot(target) });

  const { line, lsn, at, catalog } = await forkAt(emulator, project, source, point);
  const restored: Branch = {
    ...successor(target, now),
    parentId: isRoot(target) ? undefined : source.id,
    parentLsn: lsn,
    parentTimestamp: at,
    line,
    initSource: "parent-data",
    catalog: await withPasswordsOf(emulator, line, catalog, target),
    original: ofItself && target.original,
  };
  target.original = !ofItself && target.original;
  await takePlace(emulator, project, target, restored, keepAs);
  const steps: Step[] = [
    { action: "create_branch", branchId: restored.id },
    ...(isRoot(restored) ? [{ action: "detach_parent_branch", branchId: restored.id } as const] : []),
  ];
  return answer(emulator, request, project, restored, steps);
}

/** A child takes its parent's state and keeps its id; its own state is lost. */
async function reset(emulator: Emulator, request: ApiRequest, project: NeonProject, target: Branch, source: Branch): Promise<Answer> {
  const { line, lsn, at, catalog } = await forkAt(emulator, project, source, { kind: "head" });
  const before = target.line;
  const now = emulator.time.now();
  Object.assign(target, {
    line,
    parentId: source.id,
    parentLsn: lsn,
    parentTimestamp: at,
    lastResetAt: now,
    updatedAt: now,
    catalog: await withPasswordsOf(emulator, line, catalog, target),
  });
  await emulator.fleet.stop(before);
  await emulator.fleet.remove(before);
  return answer(emulator, request, project, target, [{ action: "create_branch", branchId: target.id }]);
}

/** What a branch takes over from the one that it replaces. */
export function successor(target: Branch, now: Date): Omit<Branch, "line" | "initSource" | "catalog" | "parentId" | "original"> {
  return {
    id: mintId("br"),
    name: target.name,
    default: false,
    protected: false,
    createdAt: now,
    updatedAt: now,
    schedule: [],
    scheduledUpTo: now,
    sizeBytes: target.sizeBytes,
  };
}

/** Moves name, default, protection, schedule and computes; the replaced branch gets another name and keeps its children. */
export async function takePlace(emulator: Emulator, project: NeonProject, target: Branch, restored: Branch, keepAs: string): Promise<void> {
  const now = emulator.time.now();
  const { name, default: isDefault, protected: isProtected, schedule, scheduledUpTo, expiresAt, ttlSeconds } = target;
  Object.assign(target, { name: keepAs, default: false, protected: false, schedule: [], expiresAt: undefined, updatedAt: now });
  Object.assign(restored, {
    name,
    default: isDefault,
    protected: isProtected,
    schedule,
    scheduledUpTo,
    expiresAt,
    ttlSeconds,
    updatedAt: now,
  });
  project.branches.set(restored.id, restored);
  await moveEndpoints(emulator, project, target, restored);
}

/** The connection string of the target stays valid: its roles keep their present passwords. */
export async function withPasswordsOf(emulator: Emulator, line: string, catalog: Catalog, target: Branch): Promise<Catalog> {
  const present = new Map(rolesOf(target).map((role) => [role.name, role.password]));
  return repassword(emulator, line, catalog, (role) => present.get(role.name));
}

function answer(emulator: Emulator, request: ApiRequest, project: NeonProject, branch: Branch, first: readonly Step[]): Answer {
  const endpoints = [...project.endpoints.values()].filter((endpoint) => endpoint.branchId === branch.id);
  const starts = endpoints.map((endpoint): Step => ({ action: "start_compute", branchId: branch.id, endpointId: endpoint.id }));
  const operations = queue(emulator, project, [...first, ...starts], request.stuck);
  branch.pending = operations[first.length - 1];
  return {
    status: 200,
    body: { branch: branchView(emulator, project, branch), operations: operationViews(emulator, project, operations) },
  };
}
