// What each plan allows, as of November 2026. One table; every figure can be overridden, for the published pages disagree here and there.
export const PLANS = ["free", "launch", "scale"] as const;
export type PlanName = (typeof PLANS)[number];

export interface Limits {
  readonly projects: number;
  /** Branches of one project, roots included. */
  readonly branches: number;
  readonly rootBranches: number;
  readonly protectedBranches: number;
  readonly defaultHistorySeconds: number;
  readonly maxHistorySeconds: number;
  readonly manualSnapshots: number;
  readonly scheduledSnapshots: boolean;
  /** Shortest suspend timeout that may be set; undefined: it is fixed. */
  readonly minSuspendSeconds: number | undefined;
  /** Whether computes may be told never to sleep (-1). */
  readonly alwaysOn: boolean;
  /** Largest database, in bytes; undefined: what is paid for. */
  readonly storageBytes: number | undefined;
}

const HOUR = 3600;
const DAY = 24 * HOUR;

export const LIMITS: Readonly<Record<PlanName, Limits>> = {
  free: {
    projects: 100,
    branches: 10,
    rootBranches: 3,
    protectedBranches: 0,
    defaultHistorySeconds: 6 * HOUR,
    maxHistorySeconds: 6 * HOUR,
    manualSnapshots: 1,
    scheduledSnapshots: false,
    minSuspendSeconds: undefined,
    alwaysOn: false,
    storageBytes: 512 * 1024 ** 2,
  },
  launch: {
    projects: 100,
    branches: 5000,
    rootBranches: 5,
    protectedBranches: 2,
    defaultHistorySeconds: DAY,
    maxHistorySeconds: 7 * DAY,
    manualSnapshots: 100,
    scheduledSnapshots: true,
    minSuspendSeconds: 300,
    alwaysOn: true,
    storageBytes: undefined,
  },
  scale: {
    projects: 1000,
    branches: 5000,
    rootBranches: 25,
    protectedBranches: 5,
    defaultHistorySeconds: DAY,
    maxHistorySeconds: 30 * DAY,
    manualSnapshots: 100,
    scheduledSnapshots: true,
    minSuspendSeconds: 60,
    alwaysOn: true,
    storageBytes: undefined,
  },
};

/** How long a compute waits before it sleeps when nothing else is set. */
export const DEFAULT_SUSPEND_SECONDS = 300;
