// What an S3 storage can be told.
import type { PartSize } from "./parts.ts";

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

export interface S3StorageOptions {
  readonly bucket: string;
  /** Put before every name; "" or a path without "/" at its ends. */
  readonly prefix?: string | undefined;
  /** Unless told: what the SDK finds in environment and profile, or us-east-1 with an endpoint of one's own. */
  readonly region?: string | undefined;
  /** Address of a server that speaks S3; AWS unless told. */
  readonly endpoint?: string | undefined;
  /** http://host/bucket/key rather than http://bucket.host/key. */
  readonly forcePathStyle?: boolean | undefined;
  /** Unless told: the SDK's default chain (environment, profile, container, instance). */
  readonly credentials?: S3Credentials | undefined;
  readonly serverSideEncryption?: "AES256" | "aws:kms" | undefined;
  readonly kmsKeyId?: string | undefined;
  /** For puts that name no class. */
  readonly storageClass?: string | undefined;
  /** The bucket has object lock, and puts with `lockUntil` use this mode. */
  readonly objectLock?: { readonly mode: "COMPLIANCE" | "GOVERNANCE" } | undefined;
  /** Longest silence of the server; 30 s unless told. */
  readonly requestTimeoutMs?: number | undefined;
  /** How often a request is tried in all; 5 unless told. A silent server is tried twice at most. */
  readonly attempts?: number | undefined;
  /** First pause between tries, doubled each time; 200 ms unless told. */
  readonly backoffMs?: number | undefined;
  /** Part sizes in their order; unless told a schedule with room for more than 5 TiB. */
  readonly partSizes?: readonly PartSize[] | undefined;
  /** Parts up to this size are held in memory, larger ones in a file; 8 MiB unless told. */
  readonly memoryPartBytes?: number | undefined;
  /** Parts uploaded at once; 3 unless told. */
  readonly concurrency?: number | undefined;
  /** Largest object that is copied in one request; S3's 5 GiB unless told. */
  readonly maxCopyBytes?: number | undefined;
  /** Where parts too large for memory lie while they are uploaded (nameless, 0600); the system's temporary directory unless told. */
  readonly spoolDirectory?: string | undefined;
}
