// One header block of a tar archive (POSIX ustar), with the few extensions that PostgreSQL uses: base-256 sizes above 8 GiB.
import { LifeboatError } from "../../../core/errors.ts";

export const TAR_BLOCK_BYTES = 512;

export interface TarEntry {
  /** Relative, "/"-separated, without a slash at either end, never leading upwards; what it names may be created below any directory. */
  readonly path: string;
  readonly type: "file" | "directory" | "symlink";
  /** Of a file's content; 0 for others. */
  readonly sizeBytes: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly modifiedAtS: number;
  /** Where a symbolic link points, as it was written; only links have it. */
  readonly linkTarget?: string | undefined;
}

const TYPES: Readonly<Record<string, TarEntry["type"]>> = { "0": "file", "\0": "file", "5": "directory", "2": "symlink" };
const EMPTY = Buffer.alloc(TAR_BLOCK_BYTES);
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

/** Whether a block holds nothing: two of them end an archive. */
export const isEmptyBlock = (block: Buffer): boolean => block.equals(EMPTY);

/** Reads a header; `startByte` is its place in the archive, for messages. INTEGRITY when it is damaged, or of a kind that a base backup does not contain. */
export function readHeader(block: Buffer, startByte: number): TarEntry {
  const damaged = (why: string): LifeboatError =>
    new LifeboatError("INTEGRITY", `the tar archive is damaged: the header at about byte ${startByte} ${why}`);
  if (numberAt(block, CHECKSUM_AT, CHECKSUM_BYTES) !== checksumOf(block)) throw damaged("does not fit its checksum");
  const type = TYPES[String.fromCharCode(block[156] as number)];
  if (type === undefined) throw damaged("is of an unknown type");
  const prefix = block.toString("latin1", 257, 262) === "ustar" ? textAt(block, 345, 155) : "";
  const name = textAt(block, 0, 100);
  const written = prefix === "" ? name : `${prefix}/${name}`;
  const path = withoutEdges(written);
  if (!isSafe(path, type)) throw damaged(`names the path ${JSON.stringify(written)}, which must not be written`);
  const sizeBytes = numberAt(block, 124, 12);
  const mode = numberAt(block, 100, 8);
  const modifiedAtS = numberAt(block, 136, 12);
  if (![sizeBytes, mode, modifiedAtS].every(Number.isSafeInteger)) throw damaged("holds a number that cannot be read");
  const entry = { path, type, sizeBytes: type === "file" ? sizeBytes : 0, mode: mode & 0o7777, modifiedAtS };
  return type === "symlink" ? { ...entry, linkTarget: textAt(block, 157, 100) } : entry;
}

/** `./a/` is `a`, and `./` is the directory itself. */
function withoutEdges(written: string): string {
  const path = written.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
  return path === "" && written.startsWith("./") ? "." : path;
}

/** Relative and never upwards. Only a directory may be the directory itself; a link only that of a tablespace, wherever it leads. */
function isSafe(path: string, type: TarEntry["type"]): boolean {
  if (type === "directory" && path === ".") return true;
  if (type === "symlink" && !/^pg_tblspc\/\d+$/.test(path)) return false;
  return path !== "" && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function textAt(block: Buffer, at: number, lengthBytes: number): string {
  const end = block.indexOf(0, at);
  return block.toString("utf8", at, end < 0 || end > at + lengthBytes ? at + lengthBytes : end);
}

/** Octal digits, or, with the highest bit set, a big-endian number. NaN when it is neither. */
function numberAt(block: Buffer, at: number, lengthBytes: number): number {
  if (((block[at] as number) & 0x80) !== 0) {
    let value = (block[at] as number) & 0x7f;
    for (let next = at + 1; next < at + lengthBytes; next++) value = value * 256 + (block[next] as number);
    return value;
  }
  const digits = textAt(block, at, lengthBytes).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : Number.NaN;
}

/** The sum of all bytes, with the checksum's own place taken for blanks. */
function checksumOf(block: Buffer): number {
  let sum = CHECKSUM_BYTES * 32;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) if (at < CHECKSUM_AT || at >= CHECKSUM_AT + CHECKSUM_BYTES) sum += block[at] as number;
  return sum;
}
