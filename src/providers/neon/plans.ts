// Neon's plans: what each allows and costs. Data, with source and date; what the API tells of a project always comes first.
//
// Sources: neon.com/docs/introduction/plans (2026-03-20), .../postgres/backup-restore/history-window (2026-08-24),
// .../guides/backup-restore (2026-08-31), .../guides/protected-branches (2026-01-15), .../manage/branches (undated, root branches).
// Where they disagree the dated page counts: 100 manual snapshots on paid plans (the undated API overview says 10).

const DAY_SECONDS = 86_400;

export interface Plan {
  readonly name: string;
  readonly historyMaxSeconds: number;
  readonly branches: number;
  /** Beyond these each branch costs extra; the same as `branches` where no more are sold. */
  readonly branchesIncluded: number;
  readonly rootBranches: number;
  readonly protectedBranches: number;
  readonly manualSnapshots: number;
  readonly scheduledSnapshots: boolean;
  /** Data of one project; undefined: paid by use. */
  readonly storageBytes?: number | undefined;
  /** US dollars per compute unit and hour; undefined: none to pay. */
  readonly computeHourUsd?: number | undefined;
  /** US dollars per gigabyte and month of history. */
  readonly historyGbUsd?: number | undefined;
}

export const EXTRA_BRANCH_MONTH_USD = 1.5;

/** Smallest first. */
export const PLANS: readonly Plan[] = [
  {
    name: "free",
    historyMaxSeconds: 21_600,
    branches: 10,
    branchesIncluded: 10,
    rootBranches: 3,
    protectedBranches: 0,
    manualSnapshots: 1,
    scheduledSnapshots: false,
    storageBytes: 500_000_000,
  },
  {
    name: "launch",
    historyMaxSeconds: 7 * DAY_SECONDS,
    branches: 5000,
    branchesIncluded: 10,
    rootBranches: 5,
    protectedBranches: 2,
    manualSnapshots: 100,
    scheduledSnapshots: true,
    computeHourUsd: 0.106,
    historyGbUsd: 0.2,
  },
  {
    name: "scale",
    historyMaxSeconds: 30 * DAY_SECONDS,
    branches: 5000,
    branchesIncluded: 25,
    rootBranches: 25,
    protectedBranches: 5,
    manualSnapshots: 100,
    scheduledSnapshots: true,
    computeHourUsd: 0.222,
    historyGbUsd: 0.2,
  },
];

/** The longest history that any plan keeps. */
export const LONGEST_HISTORY_SECONDS = Math.max(...PLANS.map(({ historyMaxSeconds }) => historyMaxSeconds));

/** Of a plan's or subscription's name, as `launch`, `launch_v3`; undefined for one that is not in the table: its caps are not known. */
export function planOf(name: string | undefined): Plan | undefined {
  const plain = name?.toLowerCase().replace(/_v\d+$/, "");
  return PLANS.find((plan) => plan.name === plain);
}

/** What it takes to keep so much history, against the present plan: the end of a sentence. */
export function costOfHistory(seconds: number, present: Plan): string {
  const next = PLANS.find((plan) => plan.historyMaxSeconds >= seconds);
  if (next === undefined) {
    return `no plan of Neon keeps more than ${LONGEST_HISTORY_SECONDS / DAY_SECONDS} days: keep older states as snapshots or backups`;
  }
  const before = present.computeHourUsd === undefined ? "nothing" : `$${present.computeHourUsd}`;
  const compute = `compute at $${next.computeHourUsd} instead of ${before} for a compute unit and hour`;
  return `the ${titleOf(next)} plan allows it, with ${compute} and history at $${next.historyGbUsd?.toFixed(2)} for a GB and month`;
}

export const titleOf = ({ name }: Plan): string => name.charAt(0).toUpperCase() + name.slice(1);
