// The result of recovering all sources together, judged against one combined objective.
import { formatDuration } from "./duration.ts";
import { type Achieved, COMBINED_OBJECTIVE, judgeObjective, type Objective, type Promised } from "./objectives.ts";
import type { Check, Verdict } from "./verdict.ts";
import { counted } from "./words.ts";

/** The result of one source. */
export interface Part {
  readonly source: string;
  readonly verdict: Verdict;
  readonly achieved: Achieved;
}

export interface Combined {
  readonly objective: Promised;
  readonly achieved: Achieved;
  readonly verdict: Verdict;
  /** The reasons, worst first. Never empty. */
  readonly reasons: readonly string[];
}

/**
 * Returns the combined objective: the configured one, else the default of R29. It is never stricter than the loosest objective of a
 * single source, because the whole cannot be recovered before each of its parts.
 */
export function combinedObjectiveOf(configured: Objective, parts: readonly Promised[]): Promised {
  const loosest = (key: keyof Promised): number => Math.max(COMBINED_OBJECTIVE[key], ...parts.map((part) => part[key]));
  return {
    rtoSeconds: configured.rtoSeconds ?? loosest("rtoSeconds"),
    rpoSeconds: configured.rpoSeconds ?? loosest("rpoSeconds"),
  };
}

/**
 * Judges the sources as one system. The recovery time is the sum when they were recovered one after another, and the slowest one when
 * they were recovered in parallel. The data loss is the largest of any source. A figure that is missing for one source is missing for
 * all. `missing` names the sources that should have been recovered and were not.
 */
export function combine(
  parts: readonly Part[],
  objective: Promised,
  how: {
    readonly order: "one after another" | "at once";
    readonly missing?: readonly string[];
    /** What was checked between the sources. */
    readonly checks?: readonly Check[];
  },
): Combined {
  const { order, missing = [], checks: between = [] } = how;
  const whole = missing.length === 0 && parts.length > 0;
  const together = order === "at once" ? worst : sum;
  const achieved: Achieved = {
    rtoSeconds: whole ? together(parts.map((part) => part.achieved.rtoSeconds)) : undefined,
    rpoSeconds: whole ? worst(parts.map((part) => part.achieved.rpoSeconds)) : undefined,
  };
  const checks = [...between, ...judgeObjective(objective, achieved)];
  const failed = [
    ...parts.filter(({ verdict }) => verdict === "fail").map(({ source }) => `${source} failed`),
    ...checks.filter(({ outcome }) => outcome === "fail").map(({ name, message }) => `${name}: ${message}`),
  ];
  const unclear = [
    ...missing.map((source) => `${source} was not brought back`),
    ...parts.filter(({ verdict }) => verdict === "inconclusive").map(({ source }) => `${source} is not proven`),
    ...checks.filter(({ outcome }) => outcome === "inconclusive").map(({ name, message }) => `${name}: ${message}`),
    ...(parts.length === 0 && missing.length === 0 ? ["there is no source"] : []),
  ];
  if (failed.length > 0) return { objective, achieved, verdict: "fail", reasons: [...failed, ...unclear] };
  if (unclear.length > 0) return { objective, achieved, verdict: "inconclusive", reasons: unclear };
  const took = formatDuration((achieved.rtoSeconds ?? 0) * 1000);
  return {
    objective,
    achieved,
    verdict: "pass",
    reasons: [`${counted(parts.length, "source")} ${parts.length === 1 ? "was" : "were"} brought back ${order} in ${took}`],
  };
}

type Measured = readonly (number | undefined)[];

const known = (values: Measured): number[] | undefined => {
  const measured = values.filter((value) => value !== undefined);
  return measured.length === values.length ? measured : undefined;
};
const sum = (values: Measured): number | undefined => known(values)?.reduce((total, value) => total + value, 0);
const worst = (values: Measured): number | undefined => {
  const measured = known(values);
  return measured && Math.max(...measured);
};
