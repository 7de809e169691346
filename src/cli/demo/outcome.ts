// The result of the demonstration, for `--json` and for the last act.

import type { PostgresSession } from "@lifeboat/sandbox";
import type * as z from "zod/mini";
import type { Check, Verdict } from "../../core/verdict.ts";
import type { combined } from "../../operations/recovery/schemas.ts";

type Measured = z.infer<typeof combined>["achieved"];

export interface Summary {
  verdict: Verdict;
  /** Every command that was run, and what it gives with `--json`. */
  readonly steps: { readonly command: string; readonly status: number; readonly ms: number; readonly result: unknown }[];
  /** Name of the backup, and its folder. */
  point?: string;
  backup?: string;
  /** What a drill, and then the restore, measured and were measured against. */
  achieved: Partial<Measured>;
  objective: Partial<Measured>;
  /** How the last restored copy compares with the fingerprint taken at the source. */
  fingerprint?: { readonly equal: boolean; readonly checks: number; readonly rows: number };
  /** Rows by table: at the accident, and in the restored shop. */
  rows?: { readonly before: Readonly<Record<string, number>>; readonly after: Readonly<Record<string, number>> };
  lost?: Loss;
  /** From the accident to the first order in the restored shop. */
  downSeconds?: number;
  /** The shop at two providers: to which instant it was brought back, and how it compares with the fingerprints taken then. */
  hosted?: {
    readonly recoveredTo: string;
    readonly equal: boolean;
    /** Rows and documents. */
    readonly rows: number;
    readonly downSeconds: number;
    readonly combined: z.infer<typeof combined>;
  };
  /** Paths of the evidence. */
  readonly evidence: string[];
}

export const newSummary = (): Summary => ({ verdict: "inconclusive", steps: [], achieved: {}, objective: {}, evidence: [] });

/** What `verify`, `drill` and `restore` give with `--json`, as far as it is told here. */
interface FindingValue {
  readonly verdict?: Verdict;
  readonly checks?: readonly Check[];
  readonly achieved?: Measured;
  readonly objective?: Measured;
  readonly evidence?: string;
}

/** The one drill of a `drill`, or the finding itself. */
function findingIn(value: unknown): FindingValue {
  const { drills } = value as { readonly drills?: readonly FindingValue[] };
  return drills?.[0] ?? (value as FindingValue);
}

/** Takes up what a command found; a later finding replaces an earlier one. */
export function noteFinding(summary: Summary, value: unknown, folder: string): void {
  const { verdict, checks, achieved, objective, evidence } = findingIn(value);
  if (verdict === undefined) return;
  summary.verdict = verdict;
  if (evidence === undefined) return;
  const data = (checks ?? []).filter(({ kind }) => kind === "data" || kind === "schema");
  summary.fingerprint = {
    equal: data.some(({ kind }) => kind === "data") && data.every(({ outcome }) => outcome === "pass"),
    checks: data.length,
    rows: data.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
  };
  summary.achieved = { ...summary.achieved, ...known(achieved) };
  summary.objective = { ...summary.objective, ...known(objective) };
  summary.evidence.push(`${folder}/backups/${evidence}`);
}

export interface Loss {
  readonly orders: number;
  /** From the backup's instant to the accident. */
  readonly seconds: number;
}

export async function measureLoss(
  recovered: PostgresSession,
  confirmed: readonly number[],
  snapshotAt: Date,
  accident: Date,
): Promise<Loss> {
  const [found] = await recovered.query<{ count: string }>("select count(*) from orders where id = any($1)", [confirmed]);
  return { orders: confirmed.length - Number(found?.count), seconds: (accident.getTime() - snapshotAt.getTime()) / 1000 };
}

/** What was promised or measured: nothing of an earlier finding is lost to a later one that has no such figure. */
const known = (figures: Partial<Measured> = {}): Partial<Measured> =>
  Object.fromEntries(Object.entries(figures).filter(([, value]) => value !== null));
