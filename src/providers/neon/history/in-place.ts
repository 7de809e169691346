// Production becomes its own past state: name, computes and connection string stay, the state before is kept as a branch.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { HistoryTarget } from "../../../ports/control.ts";
import { connectionTo } from "../access.ts";
import { type Account, childrenOf, isFromSnapshot, isRoot, type ProjectBranches, projectBranches } from "../account.ts";
import type { NeonBranch, NeonScheduleItem } from "../api/types.ts";
import { requireRoom } from "../room.ts";
import { refuseTaken } from "../snapshots.ts";
import { type Origin, originOf, translateRefusal } from "./target.ts";

export interface Replaced {
  readonly connection: Connection;
  readonly kept: { readonly id: string; readonly name: string };
  readonly warnings: readonly string[];
}

/** Checked before anything is changed: room, target, that Neon can do it at all. */
export async function restoreInPlace(account: Account, target: HistoryTarget, keepAs: string, work: Work): Promise<Replaced> {
  const { api } = account;
  const project = await projectBranches(account, work);
  const { production } = project;
  refuseTaken(keepAs, project.branches, "branch");
  const why = whyNotInPlace(production, target);
  if (why !== undefined) throw new LifeboatError("PROVIDER_REFUSED", why);
  const origin = await originOf(account, project, target, work);
  await requireRoom(account, ["branches", "root branches"], `the branch ${keepAs}, which keeps the present state`, work);
  const before = await connectionTo(account, production, { mayAddCompute: false }, work);
  const schedule = isRoot(production) ? await api.schedule(production.id, work) : [];

  await translateRefusal(production, target, replace(account, project, origin, keepAs, work));

  const { now, kept } = await recognise(account, production, keepAs, work);
  const mended = await putRight(account, { before: production, now, kept, schedule }, work);
  const connection = await connectionTo(account, now, { mayAddCompute: true }, work);
  return {
    connection,
    kept: { id: kept.id, name: kept.name },
    warnings: [...warningsFor(project, origin, now, kept), ...mended, ...changed(before, connection)],
  };
}

export function whyNotInPlace(production: NeonBranch, target: HistoryTarget): string | undefined {
  if (target.kind === "latest") return `${production.name} is at its latest state already: name a time, an LSN or a snapshot`;
  if (isRoot(production)) return undefined;
  return `${production.name} is not a root branch, and Neon restores only those in place: restore into a new branch, then promote that one`;
}

async function replace(account: Account, { production }: ProjectBranches, origin: Origin, keepAs: string, work: Work): Promise<void> {
  const { api } = account;
  if (origin.kind === "history") {
    await api.restoreBranch(production.id, { sourceId: origin.branch.id, at: origin.at, keepAs }, work);
    return;
  }
  // In one step, so that no half-restored branch can be left behind. The replaced branch keeps its id, and gets its name here.
  await api.restoreSnapshotInPlace(origin.snapshot.id, { target: production }, work);
  await api.updateBranch(production.id, { name: keepAs }, work);
}

/** Ids change with a restore: production is the branch that has its name now. */
async function recognise(account: Account, before: NeonBranch, keepAs: string, work: Work): Promise<{ now: NeonBranch; kept: NeonBranch }> {
  const branches = await account.api.branches(work);
  const now = branches.find(({ name }) => name === before.name);
  const kept = branches.find(({ name }) => name === keepAs);
  if (now !== undefined && kept !== undefined) return { now, kept };
  const missing = now === undefined ? before.name : keepAs;
  throw new LifeboatError("PROVIDER_FAILED", `Neon reported the restore as done, but there is no branch ${missing}`, {
    hint: "look at the project's branches in Neon's console before anything else is done to it",
  });
}

interface Change {
  readonly before: NeonBranch;
  readonly now: NeonBranch;
  readonly kept: NeonBranch;
  readonly schedule: readonly NeonScheduleItem[];
}

/** What production was, it is to be again; what is only kept must not stay in the way. Returns what could not be put right. */
async function putRight({ api }: Account, { before, now, kept, schedule }: Change, work: Work): Promise<string[]> {
  const problems: string[] = [];
  const attempt = async (what: string, action: () => Promise<void>): Promise<void> => {
    try {
      await action();
    } catch (error) {
      if (!(error instanceof LifeboatError) || error.code === "CANCELLED") throw error;
      problems.push(`${what}: ${error.message}`);
    }
  };
  if (before.isDefault && !now.isDefault) await attempt(`${now.name} is no longer the default branch`, () => api.setDefault(now.id, work));
  if (kept.isProtected) await attempt(`${kept.name} is still protected`, () => api.updateBranch(kept.id, { protected: false }, work));
  if (before.isProtected && !now.isProtected) {
    await attempt(`${now.name} is no longer protected`, () => api.updateBranch(now.id, { protected: true }, work));
  }
  if (schedule.length > 0 && (await api.schedule(now.id, work)).length === 0) {
    await attempt(`${now.name} has lost its snapshot schedule`, () => api.setSchedule(now.id, schedule, work));
  }
  return problems;
}

function warningsFor({ production, branches }: ProjectBranches, origin: Origin, now: NeonBranch, kept: NeonBranch): string[] {
  const warnings: string[] = [];
  if (isFromSnapshot(now)) {
    warnings.push(
      `${now.name} comes from a snapshot: Neon keeps no point-in-time history for it from now on; take a snapshot or a backup soon`,
    );
  } else {
    warnings.push(`the history of ${now.name} begins anew; what was before is reached through ${kept.name}`);
  }
  const children = childrenOf(production, branches).map(({ name }) => name);
  if (children.length > 0) warnings.push(`${children.join(", ")} now hang on ${kept.name}`);
  if (origin.kind === "history" && origin.branch.id !== production.id) {
    warnings.push(
      `Neon may keep ${kept.name} for good: the first root branch of a project cannot be deleted after a restore from another branch`,
    );
  }
  if (isRoot(kept)) warnings.push(`${kept.name} takes the place of one root branch until it is removed`);
  return warnings;
}

export function changed(before: Connection, after: Connection): string[] {
  if (before.url === after.url) return [];
  return before.label === after.label
    ? [`the password of the role has changed: hand the new connection string to the application`]
    : [`the connection changed from ${before.label} to ${after.label}: point the application at it`];
}
