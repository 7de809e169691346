// The manifest: what a backup is and what its bytes must be. It is written last; a backup without one does not exist.
import type { ByteFacts } from "./byte-facts.ts";
import type { Omission } from "./fingerprint.ts";
import type { BaseFacts, LogSpan } from "./log.ts";

/**
 * How far a dump is of one instant. `snapshot`: all of it was read from one snapshot. `oplog`: it holds what changed while it was
 * being read, and is of one instant once that has been applied. `none`: what changed meanwhile may be in it in part.
 */
export type Consistency = "snapshot" | "oplog" | "none";

export const BACKUP_KINDS = ["full", "data", "schema", "tables", "base"] as const;
export type BackupKind = (typeof BACKUP_KINDS)[number];

/** One stored object of a backup: one public format, in one zstd frame, in one age file. */
export interface ManifestPart {
  /** `data`, `fingerprint`; `base`, `tablespace-16400`, `manifest` of a base backup. The object's name is `<part>.zst.age` beside the manifest. */
  readonly name: string;
  /** What the plain bytes are: `pg_dump-custom`, `fingerprint-json`, `mongodump-archive`, `tar`, `backup-manifest`. */
  readonly content: string;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
}

export interface Manifest {
  readonly format: 1;
  /** Restore point id: unique, sorts by time. */
  readonly id: string;
  /** Name by the policy's pattern, or the one the user gave. */
  readonly name: string;
  readonly source: string;
  readonly provider: string;
  readonly engine: string;
  readonly kind: BackupKind;
  /** The newest restore point of the source when this one was made, and the SHA-256 of its manifest; absent: there was none. */
  readonly previous?: { readonly id: string; readonly sha256: string } | undefined;
  /** Chosen tables, for kind `tables`. */
  readonly tables?: readonly string[] | undefined;
  /** Instants, ISO 8601 UTC with milliseconds. `snapshotAt`: the state of the data is that of this instant. */
  readonly startedAt: string;
  readonly snapshotAt: string;
  readonly endedAt: string;
  /** Tiers of the policy this backup was made for; empty for a manual one. */
  readonly tiers: readonly string[];
  readonly expiresAt?: string | undefined;
  /** Class it was stored in, where one was asked for. */
  readonly storageClass?: string | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly madeBy: { readonly user: string; readonly host: string; readonly job: string; readonly lifeboat: string };
  /** Server and tool versions as they call themselves. */
  readonly server: { readonly version: string; readonly tool: string };
  /** Size of the data at the source, in bytes, as the source measures it. */
  readonly sourceBytes: number;
  readonly parts: readonly ManifestPart[];
  /** Who can open it: age recipients, or `passphrase`. */
  readonly recipients: readonly string[];
  /** Where a base backup lies in the log; kind `base` only, which has this in place of a fingerprint. */
  readonly base?: BaseFacts | undefined;
  /** Where a dump lies in the log that can be replayed onto it; engines that have such a log. */
  readonly log?: LogSpan | undefined;
  /** Absent: `snapshot`. */
  readonly consistency?: Consistency | undefined;
  /** Summary of the fingerprint part; `digest` is the SHA-256 of its plain bytes. Absent for kind `base`. */
  readonly fingerprint?:
    | {
        readonly algorithm: string;
        readonly digest: string;
        readonly tables: number;
        readonly rows: number;
        readonly unhashed: number;
      }
    | undefined;
  /** Everything of the source that these bytes do not bring back, each with the reason. */
  readonly notIncluded: readonly Omission[];
}
