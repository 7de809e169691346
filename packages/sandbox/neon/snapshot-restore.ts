// Restores of snapshots: into a new root, and into another branch's place when finalized.
import { branchView } from "./branch-view.ts";
import { checkName, checkRoom } from "./branches.ts";
import { endpointViews } from "./computes.ts";
import { type Answer, type ApiRequest, type Emulator, optional } from "./emulator.ts";
import { refused } from "./errors.ts";
import { operationViews, queue, type Step } from "./operations.ts";
import { successor, takePlace, withPasswordsOf } from "./restore.ts";
import { type Branch, endpointsOf, type NeonProject } from "./state.ts";

/** How long children of a replaced branch cannot be reset. */
const HELD_MS = 24 * 3600 * 1000;

export async function restoreSnapshot(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const snapshot = emulator.snapshot(project, request.params.snapshot);
  const target = emulator.branch(project, optional(request.body, "target_branch_id", "string") ?? snapshot.sourceBranchId);
  const finalize = optional(request.body, "finalize_restore", "boolean") === true;
  const now = emulator.time.now();
  const asked = optional(request.body, "name", "string") ?? request.query.get("name") ?? undefined;
  const name = asked ?? `${target.name}_restored_${now.toISOString()}`;
  checkName(project, name);
  checkRoom(emulator, project, { root: true });
  const { line } = await emulator.fleet.fork(snapshot.line, { kind: "head" });
  const restored: Branch = {
    ...successor(target, now),
    name,
    parentId: undefined,
    parentLsn: snapshot.lsn,
    parentTimestamp: snapshot.timestamp,
    line,
    initSource: "parent-data",
    catalog: snapshot.catalog,
    original: false,
    restoreStatus: "restored",
    restoredFrom: snapshot.id,
    restoredAs: target.id,
  };
  project.branches.set(restored.id, restored);
  if (finalize) await complete(emulator, project, restored, target, undefined);
  const endpoints = endpointsOf(project, restored);
  const operations = queue(emulator, project, steps(restored, endpoints, true), request.stuck);
  restored.pending = operations[0];
  return {
    status: 200,
    body: {
      branch: branchView(emulator, project, restored),
      ...(endpoints.length === 0 ? {} : { endpoints: endpointViews(emulator, project, endpoints) }),
      operations: operationViews(emulator, project, operations),
    },
  };
}

export async function finalizeRestore(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const restored = emulator.branch(project, request.params.branch);
  if (restored.restoreStatus !== "restored") throw refused("branch is not a restore that waits to be finalized");
  const target = emulator.branch(project, restored.restoredAs);
  await complete(emulator, project, restored, target, optional(request.body, "name", "string"));
  const operations = queue(emulator, project, steps(restored, endpointsOf(project, restored), false), request.stuck);
  return { status: 200, body: { operations: operationViews(emulator, project, operations) } };
}

/** The restored branch takes the target's place. Snapshots taken so far stay with the target. */
async function complete(
  emulator: Emulator,
  project: NeonProject,
  restored: Branch,
  target: Branch,
  asked: string | undefined,
): Promise<void> {
  const keepAs = asked ?? unused(project, `${target.name} (old)`);
  checkName(project, keepAs);
  const own = endpointsOf(project, restored).some((endpoint) => endpoint.type === "read_write");
  if (own && endpointsOf(project, target).some((endpoint) => endpoint.type === "read_write")) {
    throw refused("the restored branch has a read-write endpoint of its own; delete it first");
  }
  restored.catalog = await withPasswordsOf(emulator, restored.line, restored.catalog, target);
  restored.original = target.original;
  target.original = false;
  await takePlace(emulator, project, target, restored, keepAs);
  restored.restoreStatus = "finalized";
  target.childrenHeldUntil = new Date(emulator.time.now().getTime() + HELD_MS);
}

/** `main (old)`, `main (old) 2` … */
function unused(project: NeonProject, name: string): string {
  const taken = new Set([...project.branches.values()].map((branch) => branch.name));
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name} ${number}`;
    if (!taken.has(candidate)) return candidate;
  }
}

function steps(branch: Branch, endpoints: readonly { readonly id: string }[], created: boolean): Step[] {
  return [
    ...(created ? [{ action: "create_timeline", branchId: branch.id } as const] : []),
    ...endpoints.map((endpoint): Step => ({ action: "start_compute", branchId: branch.id, endpointId: endpoint.id })),
    ...(created || endpoints.length > 0 ? [] : [{ action: "apply_config", branchId: branch.id } as const]),
  ];
}
