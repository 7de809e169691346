// What a restore goes into: each destination is looked at first, adds its part to the plan, and then carries the restore out.
import type { Erasures } from "../../core/erasure.ts";
import type { LifeboatError } from "../../core/errors.ts";
import type { PlanCode } from "../../core/plan.ts";
import type { Check } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { UndoRecord } from "../../repository/undo-sets.ts";
import type { Job } from "../jobs/job.ts";
import type { Finding } from "./conclude.ts";
import type { Destination, PlanPart } from "./plan.ts";
import type { Route } from "./resolve.ts";

/** What a destination adds to the finding. */
export interface Extras {
  /** How the restored place is reached. */
  readonly connection?: Connection | undefined;
  /** The place at the provider. */
  readonly branch?: { readonly id: string; readonly name: string } | undefined;
  /** What was there before; it is removed some days after `accept` of this job. */
  readonly kept?: { readonly id: string; readonly name: string } | undefined;
  /** What brings back tables as they were before. */
  readonly undo?: UndoRecord | undefined;
  /** Chosen tables, as they are named now. */
  readonly tables?: readonly string[] | undefined;
  /** How a restored directory is started, and what to see to before. */
  readonly next?: readonly string[] | undefined;
  readonly warnings: readonly string[];
}

/** What a destination made of the route. */
export interface Made extends Extras {
  /** The route as far as it was followed. */
  readonly reached: Route;
  /** Where it is, in words. */
  readonly target: string;
  readonly checks: readonly Check[];
  readonly remarks: readonly string[];
  readonly erasures?: Erasures | undefined;
  /** Runs when the evidence was filed, and says what else the result holds. */
  finish?(finding: Finding): Promise<Partial<Extras>>;
  /** Runs when the end of the restore failed. */
  discard?(): Promise<void>;
}

/** A destination that was looked at: what it adds to the plan, and what carries the restore out. */
export interface ReadyRestore {
  readonly into: Destination;
  readonly request: Readonly<Record<string, unknown>>;
  /** Only chosen tables, or rows alone: what is found says nothing of the whole restore point. */
  readonly partial?: boolean | undefined;
  readonly parts: readonly PlanPart[];
  /** Why it would not be done, the weightiest first. */
  readonly refusals: readonly LifeboatError[];
  readonly code?: readonly PlanCode[] | undefined;
  /** One such restore of the source at a time. */
  readonly exclusive?: boolean | undefined;
  carryOut(job: Job): Promise<Made>;
}
