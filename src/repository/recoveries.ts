// Recoveries of all sources together: one signed object and one report each. What was found of a single source is evidence of its own.
import { createHash } from "node:crypto";
import type { Achieved, Objective } from "../core/objectives.ts";
import type { Verdict } from "../core/verdict.ts";
import { recoveryName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { putSigned } from "./signed.ts";

export interface Recovery {
  readonly format: 1;
  readonly id: string;
  readonly who: { readonly user: string; readonly host: string; readonly lifeboat: string };
  readonly startedAt: string;
  readonly endedAt: string;
  /** What was asked for, without secrets. */
  readonly command?: string | undefined;
  /** The instant, in words. */
  readonly to: string;
  readonly sources: readonly RecoveredPart[];
  /** References between the sources, and what was found of each. */
  readonly references: readonly { readonly reference: string; readonly outcome: Verdict; readonly message: string }[];
  readonly objective: Objective;
  readonly achieved: Achieved;
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  /** The SHA-256 of the report beside it. */
  readonly report: string;
}

export interface RecoveredPart {
  readonly source: string;
  /** The id of its job, and of its evidence. */
  readonly job: string;
  /** Absent: it was not restored. */
  readonly found?: { readonly verdict: Verdict; readonly place?: string | undefined; readonly snapshotAt: string } | undefined;
  /** Why it was not restored. */
  readonly failure?: { readonly code: string; readonly message: string } | undefined;
}

/** Stores the report, then the signed object. Returns its name. */
export async function fileRecovery(repository: Repository, recovery: Omit<Recovery, "report">, report: string): Promise<string> {
  const bytes = new TextEncoder().encode(report);
  await repository.storage.put(recoveryName(recovery.id, "report.md"), bytes);
  const name = recoveryName(recovery.id, "recovery.json");
  const whole: Recovery = { ...recovery, report: createHash("sha256").update(bytes).digest("hex") };
  await putSigned(repository, "recovery", name, whole);
  return name;
}
