// The layout of a repository, format 1. docs/format.md describes it for a reader without this code.

export const IDENTITY_FILE = "lifeboat.json";
export const LEASES = "leases/";

/** Formats an instant as a sortable name: `20261121T031500Z`. */
export function utcStamp(at: Date): string {
  return at
    .toISOString()
    .replace(/[-:]/g, "")
    .replace(/\.\d+Z$/, "Z");
}

export const sourcesFolder = "sources/";
export const sourceFolder = (source: string): string => `${sourcesFolder}${source}/`;
export const backupsFolder = (source: string): string => `sources/${source}/backups/`;
export const backupFolderName = (at: Date, kind: string, id: string): string => `${utcStamp(at)}-${kind}-${id}`;

/** The objects of one backup, by the name of its folder. */
export const backupFolder = (source: string, folder: string): string => `${backupsFolder(source)}${folder}/`;
export const partName = (source: string, folder: string, part: string): string => `${backupFolder(source, folder)}${part}.zst.age`;
export const manifestName = (source: string, folder: string): string => `${backupFolder(source, folder)}manifest.json`;

/** Returns the id at the end of a backup folder's name. Undefined: it is not a name of a backup folder. */
export function idOfFolder(folder: string): string | undefined {
  return /^\d{8}T\d{6}Z-[a-z]+-([0-9a-z]+)$/.exec(folder)?.[1];
}

// Marks are stored beside the backups, not in them, so that a manifest never changes and listing marks stays cheap.
export const marksFolder = (source: string): string => `sources/${source}/marks/`;
export const markName = (source: string, id: string): string => `${marksFolder(source)}${id}.json`;

/** The intended removals of a source. */
export const removalsName = (source: string): string => `sources/${source}/removed.json`;

/** The log archive of a source: `<timeline>/<segment>.zst.age`, and `<segment>.json` beside it, written last. */
export const logFolder = (source: string): string => `sources/${source}/log/`;

/**
 * The objects of one file of the log. The stem is the name of the file (`000000010000000000000042`, `00000002.history`), or
 * `<segment>.partial-<filled bytes, 8 hex>` for a partial segment.
 */
export const logName = (source: string, timeline: number, stem: string, suffix: "zst.age" | "json" | "damaged.json"): string =>
  `${logFolder(source)}${timeline.toString(16).toUpperCase().padStart(8, "0")}/${stem}.${suffix}`;

/** The records of a provider's snapshots: their maker, reason and expiry. */
export const snapshotsFolder = (source: string): string => `sources/${source}/snapshots/`;
export const snapshotRecordName = (source: string, id: string): string => `${snapshotsFolder(source)}${id}.json`;
/** The sealed fingerprint of a snapshot's data, taken when it was made. */
export const snapshotFingerprintName = (source: string, id: string): string => `${snapshotsFolder(source)}${id}.fingerprint.zst.age`;

/** The undo sets of a source, by the job that stored them: sealed bytes, and a signed record, written last. */
export const undoFolder = (source: string): string => `sources/${source}/undo/`;
export const undoSetName = (source: string, job: string): string => `${undoFolder(source)}${job}.zst.age`;
/** Sealed fingerprints of an undo set of whole tables: before the job, and as the job left them. */
export const undoFingerprintName = (source: string, job: string, state: "before" | "after"): string =>
  `${undoFolder(source)}${job}.${state}.zst.age`;
export const undoRecordName = (source: string, job: string): string => `${undoFolder(source)}${job}.json`;

/** The erasure ledger of a source: one signed object, and the sealed hashes of each entry. */
export const erasuresName = (source: string): string => `sources/${source}/erasures.json`;
export const erasuresFolder = (source: string): string => `sources/${source}/erasures/`;
export const erasureKeysName = (source: string, id: string): string => `${erasuresFolder(source)}${id}.zst.age`;

/** The state of a guarded change. */
export const guardName = (source: string): string => `sources/${source}/guard.json`;

export const jobsFolder = "jobs/";

export function jobName(startedAt: Date, id: string): string {
  const [year, month, day] = startedAt.toISOString().slice(0, 10).split("-");
  return `jobs/${year}/${month}/${day}/${id}.json`;
}

export const evidenceFolder = (source: string): string => `evidence/${source}/`;
export const evidenceName = (source: string, id: string, file: "evidence.json" | "report.md"): string =>
  `${evidenceFolder(source)}${id}/${file}`;

/** A recovery of all sources together. */
export const recoveryName = (id: string, file: "recovery.json" | "report.md"): string => `recoveries/${id}/${file}`;

/** The state of the alerts of all sources. */
export const ALERTS_FILE = "alerts.json";

/** The sources whose scheduled work is paused. */
export const PAUSES_FILE = "paused.json";

export const leaseName = (name: string): string => `${LEASES}${name}.json`;

/** The audit log: a checkpoint, and tiles of hashes and entries, as C2SP tlog-tiles has them. */
export const auditFolder = "audit/";
export const auditCheckpoint = `${auditFolder}checkpoint`;

/** A frozen plan that waits for approval, the signatures of approvers, and how it ended. */
export const approvalsFolder = "approvals/";
export const approvalName = (id: string, file: "plan.json" | "plan.zst.age" | "end.json"): string => `${approvalsFolder}${id}/${file}`;
export const approvalNote = (id: string, keyId: string): string => `${approvalsFolder}${id}/${keyId}.note`;
