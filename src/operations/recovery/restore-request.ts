// What a restore and a merge are asked for, and what they give.
import type { MergedTable } from "../../core/merge-plan.ts";
import type { RecoveryTarget } from "../../core/recovery-target.ts";
import type { UndoRecord } from "../../repository/undo-sets.ts";
import type { Finding } from "./conclude.ts";
import type { DatabaseRequest } from "./database-plan.ts";
import type { Extras } from "./destination.ts";
import type { DirectoryRequest } from "./directory.ts";
import type { PlaceRequest } from "./provider-names.ts";

export interface RestoreRequest
  extends Omit<DatabaseRequest, "into">,
    MergeRequest,
    Omit<PlaceRequest, "into">,
    Pick<DirectoryRequest, "start" | "onScratch"> {
  readonly to: RecoveryTarget;
  /** A database name or a URL, a directory, `scratch`, or a place at the provider, which has a name by default. */
  readonly into?: string | undefined;
  /** Beside production: a new place at the provider, or a database named after the source's with `_recovered`. */
  readonly beside?: boolean | undefined;
  /** A restore point that no trusted key has signed will do. */
  readonly unsigned?: boolean | undefined;
  /** The digest that the plan must have: PLAN_CHANGED otherwise. */
  readonly planDigest?: string | undefined;
}

export interface Restored extends Finding, Extras, Partial<Merged> {
  /** The database that a restore beside production made. */
  readonly database?: string | undefined;
}

export interface MergeRequest {
  /** Rows that are missing or changed are brought back into the live database. */
  readonly merge?: boolean | undefined;
  readonly where?: string | undefined;
  readonly deleteExtra?: boolean | undefined;
  readonly noFollow?: boolean | undefined;
  readonly overwriteChanged?: boolean | undefined;
}

export interface Merged {
  readonly merged: readonly MergedTable[];
  /** Absent: nothing was changed. */
  readonly undo?: UndoRecord | undefined;
}
