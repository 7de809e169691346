// How long work takes at the real service, in simulated milliseconds: as recorded in August 2026, or assumed.
// The sandbox divides them by its speed.

const SECOND = 1000;
const MINUTE = 60 * SECOND;

export interface Durations {
  readonly createMs: number;
  /** Free and Flex clusters. */
  readonly createSharedMs: number;
  readonly updateMs: number;
  readonly deleteMs: number;
  readonly pauseMs: number;
  /** From the request to the beginning; from there to the instant whose data is held; from there to completion. */
  readonly snapshotQueueMs: number;
  readonly snapshotFreezeMs: number;
  readonly snapshotUploadMs: number;
  /** From the request until the target is unavailable, and from there to the end. */
  readonly restoreQueueMs: number;
  readonly restoreMs: number;
  readonly flexRestoreMs: number;
  readonly downloadMs: number;
  readonly collectionRestoreMs: number;
  readonly exportQueueMs: number;
  readonly exportMs: number;
  readonly complianceMs: number;
  /** How far the stored oplog is behind. */
  readonly oplogLagMs: number;
}

export const DURATIONS: Durations = {
  createMs: 8 * MINUTE,
  createSharedMs: 5 * SECOND,
  updateMs: 60 * SECOND,
  deleteMs: 150 * SECOND,
  pauseMs: 60 * SECOND,
  snapshotQueueMs: 20 * SECOND,
  snapshotFreezeMs: 80 * SECOND,
  snapshotUploadMs: 60 * SECOND,
  restoreQueueMs: 20 * SECOND,
  restoreMs: 210 * SECOND,
  flexRestoreMs: 63 * SECOND,
  downloadMs: 258 * SECOND,
  collectionRestoreMs: 120 * SECOND,
  exportQueueMs: 60 * SECOND,
  exportMs: 820 * SECOND,
  complianceMs: 30 * SECOND,
  oplogLagMs: 0,
};
