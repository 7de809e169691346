// Restores within Neon, as the operations ask for them.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Branch, BranchRequest, HistoryControl, HistoryTarget } from "../../../ports/control.ts";
import type { Maker, Resource } from "../../../ports/resource.ts";
import { connectionTo } from "../access.ts";
import { type Account, isProduction, isRoot, type ProjectBranches, projectBranches } from "../account.ts";
import type { NeonBranch } from "../api/types.ts";
import { branchMark, branchResource, scratchName, undoBranch } from "../resource.ts";
import { type LimitName, missingRoom, requireRoom } from "../room.ts";
import { windowOf } from "../settings/window.ts";
import { refuseTaken, removeBranch } from "../snapshots.ts";
import { restoreInPlace, whyNotInPlace } from "./in-place.ts";
import { promote } from "./promote.ts";
import { type Origin, originOf, translateRefusal } from "./target.ts";

export function historyControl(account: Account): HistoryControl {
  const { api, clock } = account;
  return {
    place: "branch",
    cost: "the project's plan counts the branch's compute time and the data that comes to differ from its parent",
    positions: true,
    scratchName: (maker) => scratchName(account, maker),
    async window(work) {
      const [project, { production }] = await Promise.all([api.project(work), projectBranches(account, work)]);
      return windowOf(project, production, clock.now());
    },
    obstacles: ({ target, inPlace }, work) => obstacles(account, target, inPlace, work),
    branch: (request) => branchAt(account, request),
    inPlace: ({ target, keepAs, ...work }) => restoreInPlace(account, target, keepAs, work),
    promote: ({ branch, name, keepAs, ...work }) => promote(account, { branch, name, keepAs }, work),
    async find(nameOrId, work) {
      const branches = await api.branches(work);
      const branch = branches.find(({ id }) => id === nameOrId) ?? branches.find(({ name }) => name === nameOrId);
      if (branch === undefined) return undefined;
      return { id: branch.id, name: branch.name, production: isProduction(account, branch), createdAt: branch.createdAt };
    },
    async connection(id, work) {
      const branch = (await api.branches(work)).find((candidate) => candidate.id === id);
      if (branch === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `the project has no branch ${id}`);
      return await connectionTo(account, branch, { mayAddCompute: true }, work);
    },
    async remove(id, work) {
      const branch = (await api.branches(work)).find((candidate) => candidate.id === id);
      if (branch !== undefined) await removeBranch(account, branch, work);
    },
  };
}

const OBSTACLES: ReadonlySet<string> = new Set(["RECOVERY_TARGET_OUTSIDE_WINDOW", "BRANCH_UNKNOWN", "USAGE"]);

async function obstacles(account: Account, target: HistoryTarget, inPlace: boolean, work?: Work): Promise<string[]> {
  const project = await projectBranches(account, work);
  const found: string[] = [];
  const why = inPlace ? whyNotInPlace(project.production, target) : undefined;
  if (why !== undefined) found.push(why);
  try {
    const origin = await originOf(account, project, target, work);
    const needed = inPlace ? (["branches", "root branches"] as const) : roomNeeded(origin);
    found.push(...(await missingRoom(account, needed, work)).map(({ why }) => `there is no room: ${why}`));
  } catch (error) {
    if (!(error instanceof LifeboatError) || !OBSTACLES.has(error.code)) throw error;
    found.push(error.message);
  }
  return found;
}

/** Refuses before it declares; what was made is removed when a later step fails. */
export async function branchAt(account: Account, request: BranchRequest): Promise<Branch & { readonly resource: Resource }> {
  const { name, target } = request;
  const project = await projectBranches(account, request);
  refuseTaken(name, project.branches, "branch");
  const origin = await originOf(account, project, target, request);
  await requireRoom(account, roomNeeded(origin), `the branch ${name}`, request);
  const resource = branchResource(account, name);
  await request.declare(resource);
  try {
    const { made, warnings } = await translateRefusal(project.production, target, make(account, project, origin, request));
    const connection = await connectionTo(account, made, { mayAddCompute: true }, request);
    return { id: made.id, name, connection, warnings: [...warningsFor(origin, project, made), ...warnings], resource };
  } catch (error) {
    await removeAgain(account, resource, request.maker);
    throw error;
  }
}

export const roomNeeded = (origin: Origin): LimitName[] => (origin.kind === "snapshot" ? ["branches", "root branches"] : ["branches"]);

interface Made {
  readonly made: NeonBranch;
  readonly warnings: readonly string[];
}

async function make(account: Account, project: ProjectBranches, origin: Origin, request: BranchRequest): Promise<Made> {
  const { name, expiresAt, maker } = request;
  const { api } = account;
  if (origin.kind === "history") {
    const spec = { name, parentId: origin.branch.id, at: origin.at, compute: true, expiresAt, mark: branchMark(account, maker, name) };
    return { made: await api.createBranch(spec, request), warnings: [] };
  }
  const made = await api.restoreSnapshot(origin.snapshot.id, { name, targetId: project.production.id }, request);
  if (expiresAt === undefined) return { made, warnings: [] };
  try {
    await api.updateBranch(made.id, { expiresAt }, request);
    return { made, warnings: [] };
  } catch (error) {
    // Only a second net: we remove it ourselves, and the journal knows of it.
    if (!isLifeboatError(error, "PROVIDER_REFUSED")) throw error;
    return { made, warnings: [`Neon does not let ${name} expire by itself: ${error.message}`] };
  }
}

function warningsFor(origin: Origin, { production }: ProjectBranches, made: NeonBranch): string[] {
  const warnings: string[] = [];
  if (origin.kind === "snapshot") {
    warnings.push(`${made.name} comes from a snapshot: Neon keeps no point-in-time history for it`);
  }
  const parent = origin.kind === "history" ? origin.branch : production;
  if (parent.isProtected) warnings.push(`${parent.name} is protected, so the roles of ${made.name} have passwords of their own`);
  if (!isRoot(made)) warnings.push(`${parent.name} cannot be deleted as long as ${made.name} exists`);
  return warnings;
}

/** Without the job's signal: also when the job was cancelled. The journal has it, should this fail too: the first cause is reported. */
async function removeAgain(account: Account, resource: Resource, maker: Maker): Promise<void> {
  const work: Work = { signal: AbortSignal.timeout(60_000) };
  await undoBranch(account, resource.locator, maker, work).catch(() => undefined);
}
