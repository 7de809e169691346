// What we need of Neon's management API, and what it promises: the one seam between the provider and the SDK.
//
// Every call has a deadline, obeys the signal, rides out busy projects and short outages, and throws PROVIDER_* errors.
// What changes something returns when its operations have ended. What makes something makes it once: after a lost answer the
// thing is looked for by its name before the request is repeated.
import type { Work } from "../../../ports/connection.ts";
import type { NeonBranch, NeonCompute, NeonDatabase, NeonPoint, NeonProject, NeonScheduleItem, NeonSnapshot } from "./types.ts";

export interface BranchSpec {
  readonly name: string;
  readonly parentId: string;
  readonly at: NeonPoint;
  readonly compute: boolean;
  readonly expiresAt?: Date | undefined;
  /** Kept with it as an annotation. */
  readonly mark?: string | undefined;
}

export interface NeonApi {
  project(work?: Work): Promise<NeonProject>;
  /** The plan of the key's owner; undefined where the key may not ask, as one of a project. */
  ownPlan(work?: Work): Promise<string | undefined>;
  setHistory(seconds: number, work?: Work): Promise<void>;

  branches(work?: Work): Promise<NeonBranch[]>;
  /** Undefined: there is none, or it is gone. */
  branch(id: string, work?: Work): Promise<NeonBranch | undefined>;
  createBranch(spec: BranchSpec, work?: Work): Promise<NeonBranch>;
  updateBranch(
    id: string,
    change: { readonly name?: string; readonly protected?: boolean; readonly expiresAt?: Date | null },
    work?: Work,
  ): Promise<void>;
  setDefault(id: string, work?: Work): Promise<void>;
  /** Without error if it does not exist. */
  deleteBranch(id: string, work?: Work): Promise<void>;
  /** The branch becomes the source's past state; its present one is kept as a branch of the name. */
  restoreBranch(
    id: string,
    spec: { readonly sourceId: string; readonly at: NeonPoint; readonly keepAs: string },
    work?: Work,
  ): Promise<void>;

  snapshots(work?: Work): Promise<NeonSnapshot[]>;
  createSnapshot(
    branchId: string,
    spec: { readonly name: string; readonly expiresAt?: Date | undefined },
    work?: Work,
  ): Promise<NeonSnapshot>;
  /** Without error if it does not exist. */
  deleteSnapshot(id: string, work?: Work): Promise<void>;
  /** A new branch with the snapshot's data, to take the place of the target later, or never. */
  restoreSnapshot(id: string, spec: { readonly name: string; readonly targetId: string }, work?: Work): Promise<NeonBranch>;
  /** The snapshot's data takes the place of the target: its name, computes, protection and schedule. The target keeps its id. */
  restoreSnapshotInPlace(id: string, spec: { readonly target: NeonBranch }, work?: Work): Promise<void>;
  /** The restored branch takes the place of the one it was restored for, which is kept under the name. */
  finalizeRestore(id: string, spec: { readonly keepAs: string }, work?: Work): Promise<void>;

  schedule(branchId: string, work?: Work): Promise<NeonScheduleItem[]>;
  setSchedule(branchId: string, items: readonly NeonScheduleItem[], work?: Work): Promise<void>;

  computes(branchId: string, work?: Work): Promise<NeonCompute[]>;
  createCompute(branchId: string, work?: Work): Promise<NeonCompute>;
  /** Without error if it does not exist. */
  deleteCompute(id: string, work?: Work): Promise<void>;
  /** Returns when it runs. */
  startCompute(id: string, work?: Work): Promise<void>;

  databases(branchId: string, work?: Work): Promise<NeonDatabase[]>;
  /** With the password. */
  connectionUri(
    at: { readonly branchId: string; readonly computeId: string; readonly database: string; readonly role: string },
    work?: Work,
  ): Promise<string>;
}
