// Branches: list, change, delete, and the rules that refuse a request.
import { branchView } from "./branch-view.ts";
import { dropEndpoint } from "./computes.ts";
import { type Answer, type ApiRequest, type Emulator, instant, optional, part } from "./emulator.ts";
import { invalid, limitReached, NeonApiError, refused } from "./errors.ts";
import { operationViews, queue, type Step } from "./operations.ts";
import { page } from "./paging.ts";
import { type Branch, childrenOf, endpointsOf, isRoot, type NeonProject } from "./state.ts";

const MAX_TTL_MS = 30 * 24 * 3600 * 1000;

/** 422 when the plan allows no further branch. */
export function checkRoom(emulator: Emulator, project: NeonProject, wanted: { readonly root: boolean }): void {
  const { branches, rootBranches } = emulator.store.limits;
  if (project.branches.size >= branches) throw limitReached("BRANCHES_LIMIT_EXCEEDED", `branches limit exceeded, limit: ${branches}`);
  if (wanted.root && [...project.branches.values()].filter(isRoot).length >= rootBranches) {
    throw limitReached("ROOT_BRANCHES_LIMIT_EXCEEDED", `root branches limit exceeded, limit: ${rootBranches}`);
  }
}

export function checkName(project: NeonProject, name: string, except?: Branch): void {
  if (name === "" || name.length > 256) throw invalid("branch name must have 1 to 256 characters");
  for (const branch of project.branches.values()) {
    if (branch !== except && branch.name === name) {
      throw new NeonApiError(409, "BRANCH_ALREADY_EXISTS", `branch with the provided name "${name}" already exists`);
    }
  }
}

export function checkProtection(emulator: Emulator, project: NeonProject): void {
  const { protectedBranches } = emulator.store.limits;
  if ([...project.branches.values()].filter((branch) => branch.protected).length >= protectedBranches) {
    throw limitReached("BRANCHES_PROTECTED_LIMIT_EXCEEDED", `protected branches limit exceeded, limit: ${protectedBranches}`);
  }
}

/** To the second, in the future, at most 30 days ahead. */
export function expiryOf(emulator: Emulator, text: string): Date {
  const at = instant(text, "expires_at");
  const expiry = new Date(Math.floor(at.getTime() / 1000) * 1000);
  const now = emulator.time.now().getTime();
  if (expiry.getTime() <= now) throw invalid("expires_at must be in the future");
  if (expiry.getTime() > now + MAX_TTL_MS) throw invalid("expires_at must be within 30 days");
  return expiry;
}

export function listBranches(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const sortBy = request.query.get("sort_by") ?? "updated_at";
  const order = request.query.get("sort_order") ?? "desc";
  const key: Record<string, (branch: Branch) => string | number> = {
    name: (branch) => branch.name,
    created_at: (branch) => branch.createdAt.getTime(),
    updated_at: (branch) => branch.updatedAt.getTime(),
  };
  const keyOf = key[sortBy];
  if (keyOf === undefined || !["asc", "desc"].includes(order)) throw invalid("sort_by or sort_order is not known");
  const sign = order === "asc" ? 1 : -1;
  const sorted = matching(project, request).sort((a, b) => {
    const [x, y] = [keyOf(a), keyOf(b)];
    return x === y ? (a.id < b.id ? -1 : 1) : (x < y ? -1 : 1) * sign;
  });
  const { items, cursor, more } = page(request.query, sorted, (branch) => branch.id, { usual: 10_000, most: 10_000 });
  const pagination = { ...(more ? { next: cursor } : {}), sort_by: sortBy, sort_order: order };
  const annotations = Object.fromEntries(items.filter((branch) => branch.annotations).map((branch) => [branch.id, annotationView(branch)]));
  return { status: 200, body: { branches: items.map((branch) => branchView(emulator, project, branch)), annotations, pagination } };
}

function matching(project: NeonProject, request: ApiRequest): Branch[] {
  const search = request.query.get("search") ?? "";
  return [...project.branches.values()].filter((branch) => branch.name.includes(search) || branch.id.includes(search));
}

export function countBranches(emulator: Emulator, request: ApiRequest): Answer {
  return { status: 200, body: { count: matching(emulator.project(request), request).length } };
}

export async function getBranch(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const branch = emulator.branch(project, request.params.branch);
  branch.sizeBytes = (await emulator.fleet.facts(branch.line)).sizeBytes ?? branch.sizeBytes;
  return { status: 200, body: { branch: branchView(emulator, project, branch), annotation: annotationView(branch) } };
}

const annotationView = ({ id, annotations, createdAt }: Branch): object => ({
  object: { type: "console/branch", id },
  value: annotations ?? {},
  created_at: createdAt,
  updated_at: createdAt,
});

export function defaultOf(project: NeonProject): Branch {
  const found = [...project.branches.values()].find((branch) => branch.default);
  if (found === undefined) throw new Error(`project ${project.id} has no default branch`);
  return found;
}

export function updateBranch(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const branch = emulator.branch(project, request.params.branch);
  const wanted = part(request.body, "branch");
  const name = optional(wanted, "name", "string") ?? branch.name;
  checkName(project, name, branch);
  const isProtected = optional(wanted, "protected", "boolean") ?? branch.protected;
  if (isProtected && !branch.protected) checkProtection(emulator, project);
  const expires = optional(wanted, "expires_at", "string");
  const expiresAt = expires !== undefined ? expiryOf(emulator, expires) : wanted.expires_at === null ? undefined : branch.expiresAt;
  if (expiresAt !== undefined) {
    if (isProtected) throw refused("a protected branch cannot expire");
    if (branch.default) throw refused("the default branch cannot expire");
    if (childrenOf(project, branch).length > 0) throw refused("a branch that has children cannot expire");
  }
  const reprotected = isProtected !== branch.protected;
  const now = emulator.time.now();
  const ttlSeconds = expiresAt === undefined ? undefined : Math.round((expiresAt.getTime() - now.getTime()) / 1000);
  Object.assign(branch, { name, protected: isProtected, expiresAt, ttlSeconds, updatedAt: now });
  const steps: Step[] = reprotected ? [{ action: "timeline_update_protected_config", branchId: branch.id }] : [];
  return changed(emulator, request, project, branch, steps);
}

export function setDefault(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const branch = emulator.branch(project, request.params.branch);
  if (branch.expiresAt !== undefined) throw refused("a branch that expires cannot be the default");
  for (const each of project.branches.values()) each.default = each === branch;
  branch.updatedAt = emulator.time.now();
  return changed(emulator, request, project, branch, []);
}

export async function deleteBranch(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  if (project.gone.has(request.params.branch ?? "")) return { status: 204 };
  const branch = emulator.branch(project, request.params.branch);
  if (branch.default) throw refused("the default branch cannot be deleted");
  if (branch.protected) throw refused("a protected branch cannot be deleted");
  if (childrenOf(project, branch).length > 0) throw refused("branch has children and cannot be deleted");
  if (branch.original) throw refused("the root branch of the project cannot be deleted");
  await removeBranch(emulator, project, branch);
  return changed(emulator, request, project, branch, [{ action: "delete_timeline", branchId: branch.id }]);
}

/** The branch with its computes and the snapshots that were taken of it. */
export async function removeBranch(emulator: Emulator, project: NeonProject, branch: Branch): Promise<void> {
  const endpoints = endpointsOf(project, branch);
  project.branches.delete(branch.id);
  project.gone.add(branch.id);
  for (const endpoint of endpoints) await dropEndpoint(project, endpoint);
  await emulator.fleet.stop(branch.line);
  for (const snapshot of [...project.snapshots.values()].filter((each) => each.sourceBranchId === branch.id)) {
    project.snapshots.delete(snapshot.id);
    project.gone.add(snapshot.id);
    await emulator.fleet.remove(snapshot.line);
  }
  await emulator.fleet.remove(branch.line);
}

export function changed(emulator: Emulator, request: ApiRequest, project: NeonProject, branch: Branch, steps: readonly Step[]): Answer {
  const operations = queue(emulator, project, steps, request.stuck);
  return {
    status: 200,
    body: { branch: branchView(emulator, project, branch), operations: operationViews(emulator, project, operations) },
  };
}
