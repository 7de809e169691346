// The checksums S3 knows for uploads, computed as the bytes pass.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

export interface RunningChecksum {
  update(bytes: Uint8Array): void;
  /** Base64, as headers carry it. */
  digest(): string;
}

export const CHECKSUMS = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"] as const;
export type ChecksumName = (typeof CHECKSUMS)[number];

export function beginChecksum(name: ChecksumName): RunningChecksum {
  if (name === "sha1" || name === "sha256") {
    const hash = createHash(name);
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("base64") };
  }
  if (name === "crc32") {
    let value = 0;
    return {
      update(bytes) {
        value = crc32(bytes, value);
      },
      digest: () => base64Of(value),
    };
  }
  return name === "crc32c" ? beginCrc32c() : beginCrc64();
}

function base64Of(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes.toString("base64");
}

function beginCrc32c(): RunningChecksum {
  const table = Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    return value >>> 0;
  });
  let value = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) value = (table[(value ^ byte) & 0xff] ?? 0) ^ (value >>> 8);
    },
    digest: () => base64Of(~value),
  };
}

/** CRC-64/NVME: polynomial 0xad93d23594c93659, reflected. */
function beginCrc64(): RunningChecksum {
  const table = BigUint64Array.from({ length: 256 }, (_, index) => {
    let value = BigInt(index);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n;
    return value;
  });
  let value = 0xffffffffffffffffn;
  return {
    update(bytes) {
      for (const byte of bytes) value = (table[Number((value ^ BigInt(byte)) & 0xffn)] ?? 0n) ^ (value >> 8n);
    },
    digest() {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64BE(value ^ 0xffffffffffffffffn);
      return bytes.toString("base64");
    },
  };
}
