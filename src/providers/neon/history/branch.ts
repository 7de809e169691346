// A past instant as a branch of its own, beside production.
import { isLifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Branch, BranchRequest } from "../../../ports/control.ts";
import type { Maker, Resource } from "../../../ports/resource.ts";
import { connectionTo } from "../access.ts";
import { type Account, isRoot, lookAround, type Scene } from "../account.ts";
import type { NeonBranch } from "../api/types.ts";
import { branchMark, branchResource, undoBranch } from "../resource.ts";
import { type LimitName, requireRoom } from "../room.ts";
import { refuseTaken } from "../snapshots.ts";
import { type Origin, originOf, translateRefusal } from "./target.ts";

/** Everything that can be refused is refused before it is declared; what was made is removed again when a later step fails. */
export async function branchAt(account: Account, request: BranchRequest): Promise<Branch & { readonly resource: Resource }> {
  const { name, target } = request;
  const scene = await lookAround(account, request);
  refuseTaken(name, scene.branches, "branch");
  const origin = await originOf(account, scene, target, request);
  await requireRoom(account, roomNeeded(origin), `the branch ${name}`, request);
  const resource = branchResource(account, name);
  await request.declare(resource);
  try {
    const { made, warnings } = await translateRefusal(scene.production, target, make(account, scene, origin, request));
    const connection = await connectionTo(account, made, { mayAddCompute: true }, request);
    return { id: made.id, name, connection, warnings: [...warningsFor(origin, scene, made), ...warnings], resource };
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

async function make(account: Account, scene: Scene, origin: Origin, request: BranchRequest): Promise<Made> {
  const { name, expiresAt, maker } = request;
  const { api } = account;
  if (origin.kind === "history") {
    const wish = { name, parentId: origin.branch.id, at: origin.at, compute: true, expiresAt, mark: branchMark(account, maker, name) };
    return { made: await api.createBranch(wish, request), warnings: [] };
  }
  const made = await api.restoreSnapshot(origin.snapshot.id, { name, targetId: scene.production.id }, request);
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

function warningsFor(origin: Origin, { production }: Scene, made: NeonBranch): string[] {
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
