// Follows the archives of a base backup as they pass, and judges every file by the server's manifest.
import { createHash, type Hash } from "node:crypto";
import type { ByteFacts } from "../../../core/byte-facts.ts";
import { LifeboatError } from "../../../core/errors.ts";
import { CRC_BEGIN, finishCrc, updateCrc } from "../log/crc32c.ts";
import type { BackupManifest } from "./manifest.ts";
import { TarReader } from "./tar.ts";

/** Files that a backup holds and the manifest does not name: the log, which is checked by its own records, and the manifest. */
const OUTSIDE_MANIFEST = /^(pg_wal\/|backup_manifest$)/;

/** Every file that was seen: path → size and checksum. */
export class SeenFiles {
  readonly #files = new Map<string, { readonly sizeBytes: number; readonly checksum: string }>();
  readonly algorithm: string;

  constructor(algorithm: string) {
    this.algorithm = algorithm;
  }

  add(path: string, sizeBytes: number, checksum: string): void {
    if (this.#files.has(path)) throw new LifeboatError("INTEGRITY", `the base backup holds ${path} twice`);
    this.#files.set(path, { sizeBytes, checksum });
  }

  sizeOf(path: string): number | undefined {
    return this.#files.get(path)?.sizeBytes;
  }

  /** Throws INTEGRITY at the first file that is not as the manifest says, is missing, or is not named there. */
  compareWith(manifest: BackupManifest): void {
    const bad = (path: string, why: string): LifeboatError =>
      new LifeboatError("INTEGRITY", `the base backup is not what the server's manifest says: ${path} ${why}`, { details: { path } });
    for (const [path, expected] of manifest.files) {
      const found = this.#files.get(path);
      if (found === undefined) throw bad(path, "is missing");
      if (found.sizeBytes !== expected.sizeBytes) throw bad(path, `has ${found.sizeBytes} bytes, not ${expected.sizeBytes}`);
      if (expected.algorithm !== this.algorithm) throw bad(path, `has a checksum of kind ${expected.algorithm}`);
      if (found.checksum !== expected.checksum) throw bad(path, `has the checksum ${found.checksum}, not ${expected.checksum}`);
    }
    for (const path of this.#files.keys()) {
      if (!manifest.files.has(path) && !OUTSIDE_MANIFEST.test(path)) throw bad(path, "is not named in it");
    }
  }
}

/** One archive on its way: its files' checksums, and size and digest of the whole. */
export class ArchiveCheck {
  readonly #tar = new TarReader();
  readonly #whole: Hash | undefined;
  readonly #seen: SeenFiles;
  readonly #prefix: string;
  #sizeBytes = 0;
  #digest: FileDigest | undefined;

  /** `prefix`: the place of the archive's files in the data directory, as `pg_tblspc/16400/`. `digestWhole`: no other checksum covers it. */
  constructor(seen: SeenFiles, prefix: string, digestWhole: boolean) {
    this.#seen = seen;
    this.#prefix = prefix;
    this.#whole = digestWhole ? createHash("sha256") : undefined;
  }

  feed(chunk: Uint8Array): void {
    this.#whole?.update(chunk);
    this.#sizeBytes += chunk.length;
    for (const event of this.#tar.feed(chunk)) {
      if (event.entry.type !== "file") continue;
      if (event.kind === "entry") this.#digest = openFileDigest(this.#seen.algorithm);
      else if (event.kind === "data") this.#digest?.update(event.bytes);
      else this.#seen.add(`${this.#prefix}${event.entry.path}`, event.entry.sizeBytes, this.#digest?.hex() ?? "");
    }
  }

  /** Throws INTEGRITY unless the archive has come to its proper end. */
  end(): ByteFacts | undefined {
    this.#tar.end();
    return this.#whole && { sizeBytes: this.#sizeBytes, sha256: this.#whole.digest("hex") };
  }
}

// The checksums that a backup_manifest may hold of its files.

export interface FileDigest {
  update(bytes: Uint8Array): void;
  /** As the manifest writes it: lower-case hexadecimal. */
  hex(): string;
}

/** `algorithm` by the manifest's own name for it. INTEGRITY for an unknown one. */
export function openFileDigest(algorithm: string): FileDigest {
  if (algorithm === "CRC32C") return new CrcDigest();
  if (!/^SHA(224|256|384|512)$/.test(algorithm)) {
    throw new LifeboatError("INTEGRITY", `the server's manifest of the base backup has checksums of an unknown kind, ${algorithm}`);
  }
  const hash = createHash(algorithm.toLowerCase());
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest("hex") };
}

const NO_WORDS = new Int32Array(0);

class CrcDigest implements FileDigest {
  #state = CRC_BEGIN;

  update(bytes: Uint8Array): void {
    // Words must begin at a multiple of four in memory; what comes before is taken byte by byte.
    const unaligned = Math.min(bytes.length, -bytes.byteOffset & 3);
    if (unaligned > 0) this.#state = updateCrc(this.#state, NO_WORDS, bytes, 0, unaligned);
    if (unaligned === bytes.length) return;
    const rest = bytes.subarray(unaligned);
    const words = new Int32Array(rest.buffer, rest.byteOffset, rest.length >> 2);
    this.#state = updateCrc(this.#state, words, rest, 0, rest.length);
  }

  hex(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(finishCrc(this.#state)); // byte order of the server's memory
    return bytes.toString("hex");
  }
}
