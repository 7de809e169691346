// PostgreSQL's own backup_manifest: every file of a base backup with size and checksum, and a digest of the manifest itself.
import { createHash } from "node:crypto";
import { LifeboatError } from "../../../core/errors.ts";

export interface ManifestFile {
  readonly sizeBytes: number;
  /** `CRC32C`, `SHA256` … */
  readonly algorithm: string;
  readonly checksum: string;
}

export interface BackupManifest {
  /** By path in the data directory; files of a tablespace are under `pg_tblspc/<oid>/`. */
  readonly files: ReadonlyMap<string, ManifestFile>;
  /** The WAL that makes the files consistent. */
  readonly walRanges: readonly { readonly timeline: number; readonly startLsn: string; readonly endLsn: string }[];
}

interface Written {
  readonly Files: readonly {
    readonly Path?: string;
    readonly "Encoded-Path"?: string;
    readonly Size: number;
    readonly "Checksum-Algorithm"?: string;
    readonly Checksum?: string;
  }[];
  readonly "WAL-Ranges": readonly { readonly Timeline: number; readonly "Start-LSN": string; readonly "End-LSN": string }[];
}

/** Room for a million files. */
const MOST_BYTES = 256 * 1024 * 1024;

/** The bytes of a manifest in one piece. `sizeBytes`: what is known of it beforehand. INTEGRITY when it is larger than any server's. */
export async function gatherManifest(bytes: AsyncIterable<Uint8Array>, sizeBytes = 0): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let gatheredBytes = 0;
  const bound = (size: number): void => {
    if (size > MOST_BYTES) throw damaged(`it has more than ${MOST_BYTES} bytes`);
  };
  bound(sizeBytes);
  for await (const chunk of bytes) {
    gatheredBytes += chunk.length;
    bound(gatheredBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Reads a manifest and checks its own digest. INTEGRITY when it is damaged, or leaves a file without a checksum. */
export function readBackupManifest(bytes: Uint8Array): BackupManifest {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // The last line holds the digest of all lines before it.
  const lastLine = text.lastIndexOf(10, text.length - 2) + 1;
  const promised = /^"Manifest-Checksum": "([0-9a-f]{64})"\}\n$/.exec(text.toString("latin1", lastLine))?.[1];
  if (promised === undefined) throw damaged("it does not end with its checksum");
  const found = createHash("sha256").update(text.subarray(0, lastLine)).digest("hex");
  if (found !== promised) throw damaged(`its SHA-256 is ${found}, not ${promised} as it says`);
  const written = JSON.parse(text.toString("utf8")) as Written;
  const files = new Map<string, ManifestFile>();
  for (const file of written.Files) {
    const path = file.Path ?? Buffer.from(file["Encoded-Path"] ?? "", "hex").toString("utf8");
    const { Size: sizeBytes, "Checksum-Algorithm": algorithm, Checksum: checksum } = file;
    if (algorithm === undefined || checksum === undefined) throw damaged(`it has no checksum of ${path}`);
    if (files.has(path)) throw damaged(`it names ${path} twice`);
    files.set(path, { sizeBytes, algorithm, checksum });
  }
  const walRanges = written["WAL-Ranges"].map((range) => ({
    timeline: range.Timeline,
    startLsn: range["Start-LSN"],
    endLsn: range["End-LSN"],
  }));
  return { files, walRanges };
}

function damaged(why: string): LifeboatError {
  return new LifeboatError("INTEGRITY", `the server's manifest of the base backup is damaged: ${why}`);
}
