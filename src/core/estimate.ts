// How long a restore takes, as this repository's own past restores took. A step that was never measured has no estimate: none is invented.
export interface SecondsRange {
  readonly least: number;
  readonly most: number;
}

/** A step of a job to come, by its name in the journal. */
export interface PlannedStep {
  readonly name: string;
  /** Bytes that it works through, where its time depends on them. */
  readonly sizeBytes?: number | undefined;
  /** How often it is done. Default: once. */
  readonly times?: number | undefined;
  /** What its maker states of it, where nothing was measured: the wait for an archived storage class. */
  readonly stated?: SecondsRange | undefined;
}

/** A step of a job that ended well. */
export interface MeasuredStep {
  readonly name: string;
  readonly ms?: number | undefined;
  readonly sizeBytes?: number | undefined;
}

export interface StepEstimate {
  readonly name: string;
  readonly sizeBytes?: number | undefined;
  /** Null: it was never measured here. */
  readonly seconds: SecondsRange | null;
  /** `measured` in jobs of this repository, or `stated` by the storage's maker. */
  readonly basis: "measured" | "stated" | "none";
}

export interface Estimate {
  /** Null: a step was never measured here. */
  readonly seconds: SecondsRange | null;
  /** How many past jobs it is based on. */
  readonly jobs: number;
  readonly steps: readonly StepEstimate[];
}

/** How good an estimate was. */
export interface EstimateResult {
  readonly seconds: SecondsRange | null;
  readonly actualSeconds: number;
  /** Null: there was no estimate. */
  readonly within: boolean | null;
}

/** Estimates each step from the same step of past jobs. */
export function estimate(planned: readonly PlannedStep[], past: readonly (readonly MeasuredStep[])[]): Estimate {
  const steps = planned.map((step): StepEstimate => {
    const { name, sizeBytes, stated, times = 1 } = step;
    const ranges = past.flatMap((job) => rangeIn(job, step));
    const once = ranges.length > 0 ? spanning(ranges) : stated;
    const seconds = once === undefined ? null : { least: once.least * times, most: once.most * times };
    return { name, sizeBytes, seconds, basis: ranges.length > 0 ? "measured" : stated === undefined ? "none" : "stated" };
  });
  const known = steps.flatMap(({ seconds }) => (seconds === null ? [] : [seconds]));
  const complete = steps.length > 0 && known.length === steps.length;
  return { seconds: complete ? sum(known) : null, jobs: past.length, steps };
}

export function judgeEstimate(seconds: SecondsRange | null, actualSeconds: number): EstimateResult {
  const within = seconds === null ? null : seconds.least <= actualSeconds && actualSeconds <= seconds.most;
  return { seconds, actualSeconds, within };
}

/**
 * A part of a step's time does not depend on its size. For less data than was measured, the time is between the proportional time and the
 * measured one; for more data, between the measured time and the proportional one.
 */
function rangeIn(job: readonly MeasuredStep[], { name, sizeBytes }: PlannedStep): SecondsRange[] {
  const same = job.filter((step) => step.name === name);
  if (same.length === 0 || same.some(({ ms }) => ms === undefined)) return [];
  const seconds = same.reduce((total, { ms = 0 }) => total + ms, 0) / 1000;
  const measured = same.reduce((total, step) => total + (step.sizeBytes ?? 0), 0);
  const ratio = sizeBytes === undefined || measured === 0 ? 1 : sizeBytes / measured;
  return [{ least: seconds * Math.min(1, ratio), most: seconds * Math.max(1, ratio) }];
}

const spanning = (ranges: readonly SecondsRange[]): SecondsRange => ({
  least: Math.min(...ranges.map(({ least }) => least)),
  most: Math.max(...ranges.map(({ most }) => most)),
});

const sum = (ranges: readonly SecondsRange[]): SecondsRange => ({
  least: ranges.reduce((total, { least }) => total + least, 0),
  most: ranges.reduce((total, { most }) => total + most, 0),
});
