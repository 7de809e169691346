// The manifest describes a backup and its bytes. It is written last; without a manifest there is no backup.
import type { ByteFacts } from "./byte-facts.ts";
import type { TableContent } from "./content.ts";
import type { Omission } from "./fingerprint.ts";
import type { BaseFacts, LogSpan } from "./log.ts";

/**
 * The consistency of a dump. `snapshot`: all of it was read from one snapshot. `oplog`: it includes the changes made while it was read,
 * and is consistent once they are applied. `none`: changes made while it was read may be in it in part.
 */
export type Consistency = "snapshot" | "oplog" | "none";

export const BACKUP_KINDS = ["full", "data", "schema", "tables", "base"] as const;
export type BackupKind = (typeof BACKUP_KINDS)[number];

/** One stored object of a backup: a public format, in one zstd frame, in one age file. */
export interface ManifestPart {
  /** `data`, `fingerprint`; for a base backup `base`, `tablespace-16400`, `manifest`. The object is `<part>.zst.age` beside the manifest. */
  readonly name: string;
  /** The format of the plain bytes: `pg_dump-custom`, `fingerprint-json`, `mongodump-archive`, `tar`, `backup-manifest`. */
  readonly content: string;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
}

export interface Manifest {
  readonly format: 1;
  /** The id of the restore point: unique, sorts by time. */
  readonly id: string;
  /** The name, from the policy's pattern or from the user. */
  readonly name: string;
  readonly source: string;
  readonly provider: string;
  readonly engine: string;
  readonly kind: BackupKind;
  /** The newest restore point of the source when this one was made, and the SHA-256 of its manifest. Absent: there was none. */
  readonly previous?: { readonly id: string; readonly sha256: string } | undefined;
  /** The chosen tables, for kind `tables`. */
  readonly tables?: readonly string[] | undefined;
  /** Instants in ISO 8601 UTC with milliseconds. `snapshotAt` is the instant of the data. */
  readonly startedAt: string;
  readonly snapshotAt: string;
  readonly endedAt: string;
  /** The tiers of the policy that this backup was made for. Empty for a manual one. */
  readonly tiers: readonly string[];
  /** It serves the slots of its tiers up to this instant, by the clock of the machine that made it. Absent: made by an older version. */
  readonly servesTo?: string | undefined;
  readonly expiresAt?: string | undefined;
  /** The requested storage class. */
  readonly storageClass?: string | undefined;
  readonly reason?: string | undefined;
  readonly note?: string | undefined;
  readonly madeBy: { readonly user: string; readonly host: string; readonly job: string; readonly lifeboat: string };
  /** The versions that the server and the tools report. */
  readonly server: { readonly version: string; readonly tool: string };
  /** The size of the data at the source in bytes, as the source reports it. */
  readonly sourceBytes: number;
  readonly parts: readonly ManifestPart[];
  /** The age recipients that can open it, or `passphrase`. */
  readonly recipients: readonly string[];
  /** The position of a base backup in the log. Only kind `base` has it, in place of a fingerprint. */
  readonly base?: BaseFacts | undefined;
  /** The position of a dump in the log that can be replayed onto it, for engines with such a log. */
  readonly log?: LogSpan | undefined;
  /** Default: `snapshot`. */
  readonly consistency?: Consistency | undefined;
  /** A summary of the fingerprint part. `digest` is the SHA-256 of its plain bytes. Absent for kind `base`. */
  readonly fingerprint?:
    | {
        readonly algorithm: string;
        readonly digest: string;
        readonly tables: number;
        readonly rows: number;
        readonly unhashed: number;
      }
    | undefined;
  /** What the largest tables held, largest first: the next backups are compared with it. Absent: not recorded. */
  readonly content?: readonly TableContent[] | undefined;
  /** The objects of the source that this backup does not restore, each with the reason. */
  readonly notIncluded: readonly Omission[];
}
