// What a recovery target means at Neon: a point of the production branch's history, another branch's head, or a snapshot.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { HistoryTarget } from "../../../ports/control.ts";
import { type Account, isFromSnapshot, type ProjectBranches } from "../account.ts";
import type { NeonBranch, NeonPoint, NeonSnapshot } from "../api/types.ts";
import { windowOf } from "../settings/window.ts";

/** Where the data comes from. */
export type Origin =
  | { readonly kind: "history"; readonly branch: NeonBranch; readonly at: NeonPoint }
  | { readonly kind: "snapshot"; readonly snapshot: NeonSnapshot };

/** RECOVERY_TARGET_OUTSIDE_WINDOW with both edges; BRANCH_UNKNOWN for a point that is not there. */
export async function originOf(
  account: Account,
  { branches, production }: ProjectBranches,
  target: HistoryTarget,
  work?: Work,
): Promise<Origin> {
  if (target.kind === "latest") return { kind: "history", branch: production, at: undefined };
  if (target.kind === "snapshot") return await pointOrigin(account, branches, target, work);
  const window = windowOf(await account.api.project(work), production, account.clock.now());
  const wanted = target.kind === "lsn" ? target.lsn : target.at.toISOString();
  if (window === undefined) throw outside(production, wanted, whyNoHistory(production));
  if (target.kind === "lsn") return { kind: "history", branch: production, at: { lsn: target.lsn } };
  if (target.at < window.earliest || target.at > window.latest) {
    throw outside(production, wanted, `it can be restored from ${window.earliest.toISOString()} to ${window.latest.toISOString()}`);
  }
  return { kind: "history", branch: production, at: { time: target.at } };
}

async function pointOrigin(
  { api }: Account,
  branches: readonly NeonBranch[],
  { id, form }: HistoryTarget & { kind: "snapshot" },
  work?: Work,
): Promise<Origin> {
  if (form === "branch") {
    const branch = branches.find((candidate) => candidate.id === id);
    if (branch === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `there is no branch ${id} at Neon`);
    return { kind: "history", branch, at: undefined };
  }
  const snapshot = (await api.snapshots(work)).find((candidate) => candidate.id === id);
  if (snapshot === undefined) throw new LifeboatError("BRANCH_UNKNOWN", `there is no snapshot ${id} at Neon`);
  return { kind: "snapshot", snapshot };
}

const whyNoHistory = (branch: NeonBranch): string =>
  isFromSnapshot(branch)
    ? "it was restored from a snapshot, and Neon keeps no point-in-time history for such a branch"
    : "its history is turned off: `lifeboat apply SOURCE` sets the window of the policy";

const outside = ({ name }: NeonBranch, wanted: string, why: string): LifeboatError =>
  new LifeboatError("RECOVERY_TARGET_OUTSIDE_WINDOW", `${name} cannot be restored to ${wanted}: ${why}`);

/** Neon's own refusal of a point, where our reckoning of the window was more generous than its own. */
export async function translateRefusal<T>(production: NeonBranch, target: HistoryTarget, made: Promise<T>): Promise<T> {
  try {
    return await made;
  } catch (error) {
    const isPoint = target.kind === "time" || target.kind === "lsn";
    if (!isPoint || !(error instanceof LifeboatError) || error.code !== "PROVIDER_REFUSED") throw error;
    if (!/timestamp|lsn|history|retention|window|point/i.test(error.message)) throw error;
    const wanted = target.kind === "lsn" ? target.lsn : target.at.toISOString();
    throw new LifeboatError("RECOVERY_TARGET_OUTSIDE_WINDOW", `${production.name} cannot be restored to ${wanted}: ${error.message}`, {
      cause: error,
      details: error.details,
    });
  }
}
