// The parts of a base backup: each archive passes on as it comes, while a copy of it is looked into; the manifest comes last, and
// ends only when every file of every archive was as it says.
import type { ByteFacts } from "../../../core/byte-facts.ts";
import { LifeboatError } from "../../../core/errors.ts";
import { formatLsn, parseLsn } from "../../../core/lsn.ts";
import type { BasePart } from "../../../ports/physical.ts";
import { segmentNames } from "../log/names.ts";
import { ArchiveCheck, SeenFiles } from "./file-checks.ts";
import { Inflate } from "./inflate.ts";
import { type BackupManifest, gatherManifest, readBackupManifest } from "./manifest.ts";
import type { BackupSource, BackupStart, WalRange } from "./session.ts";

export interface PartsOptions {
  readonly session: BackupSource;
  readonly start: BackupStart;
  /** The archives are zstd frames. */
  readonly compressed: boolean;
  readonly checksums: string;
  readonly segmentBytes: number;
  /** Hears how many plain bytes were looked at. */
  readonly onPlain: (sizeBytes: number) => void;
  /** Called when the server has ended the backup, before the last part ends. */
  readonly onEnd: (range: WalRange) => Promise<void>;
}

/** Socket reads come in small pieces; fewer, larger ones cost less in every stage behind. */
const PIECE_BYTES = 256 * 1024;

export async function* baseParts(options: PartsOptions): AsyncGenerator<BasePart, void> {
  const { session, start, compressed } = options;
  const seen = new SeenFiles(options.checksums);
  const missing = new Set(start.tablespaces.map(({ location }) => location));
  let hasBase = false;
  let ended = true;
  for (let section = await session.section(); section !== undefined; section = await session.section()) {
    if (!ended) throw new LifeboatError("BUG", "a part of a base backup was not read to its end");
    ended = false;
    if (section.kind === "manifest") {
      if (!hasBase || missing.size > 0) {
        const which = hasBase ? `the tablespace at ${[...missing].join(", ")}` : "the data directory";
        throw new LifeboatError("DUMP_INCOMPLETE", `the server sent no archive of ${which}`);
      }
      yield { name: "manifest", content: "backup-manifest", bytes: manifestBytes(options, seen) };
      return;
    }
    const { location } = section;
    const tablespace = start.tablespaces.find((one) => one.location === location);
    if (location !== "" && tablespace === undefined) {
      throw new LifeboatError("DUMP_INCOMPLETE", `the server sent an archive of ${location}, which it had not announced`);
    }
    missing.delete(location);
    hasBase ||= tablespace === undefined;
    const check = new ArchiveCheck(seen, tablespace === undefined ? "" : `pg_tblspc/${tablespace.oid}/`, compressed);
    let facts: ByteFacts | undefined;
    const done = (plain: ByteFacts | undefined): void => {
      facts = plain;
      ended = true;
    };
    yield {
      name: tablespace === undefined ? "base" : `tablespace-${tablespace.oid}`,
      content: "tar",
      bytes: compressed ? compressedBytes(options, check, done) : plainBytes(options, check, done),
      ...(compressed ? { plain: () => known(facts) } : {}),
    };
  }
  throw new LifeboatError("DUMP_INCOMPLETE", "the server sent no manifest of the base backup");
}

/** The last piece is withheld until the archive was judged, so that the storage cannot commit an archive that was not judged. */
async function* compressedBytes(options: PartsOptions, check: ArchiveCheck, done: (plain?: ByteFacts) => void): AsyncGenerator<Uint8Array> {
  const inflate = new Inflate((bytes) => {
    check.feed(bytes);
    options.onPlain(bytes.length);
  });
  let withheld: Uint8Array | undefined;
  let looking = Promise.resolve();
  try {
    for await (const piece of pieces(options.session.content())) {
      await looking;
      looking = inflate.write(piece);
      looking.catch(() => {}); // awaited in the next round
      if (withheld !== undefined) yield withheld; // stored while the next one is decompressed
      withheld = piece;
    }
    await looking;
    await inflate.end();
    done(check.end());
    if (withheld !== undefined) yield withheld;
  } finally {
    inflate.close();
  }
}

async function* plainBytes(options: PartsOptions, check: ArchiveCheck, done: (plain?: ByteFacts) => void): AsyncGenerator<Uint8Array> {
  let withheld: Uint8Array | undefined;
  for await (const piece of pieces(options.session.content())) {
    check.feed(piece);
    options.onPlain(piece.length);
    if (withheld !== undefined) yield withheld;
    withheld = piece;
  }
  done(check.end());
  if (withheld !== undefined) yield withheld;
}

async function* manifestBytes(options: PartsOptions, seen: SeenFiles): AsyncGenerator<Uint8Array> {
  const { session } = options;
  const bytes = await gatherManifest(session.content());
  if ((await session.section()) !== undefined) throw new LifeboatError("DUMP_INCOMPLETE", "the server sent something after its manifest");
  const range = await session.finish();
  const manifest = readBackupManifest(bytes);
  seen.compareWith(manifest);
  requireLog(manifest, seen, options.segmentBytes, range);
  await options.onEnd(range);
  yield bytes;
}

/** The log from start to end must be in the archive itself, so that the backup stands alone. */
function requireLog(manifest: BackupManifest, seen: SeenFiles, segmentBytes: number, range: WalRange): void {
  const { startLsn, endLsn, timeline } = range;
  const named = manifest.walRanges.at(-1);
  if (named?.startLsn !== startLsn || named.endLsn !== endLsn || named.timeline !== timeline) {
    throw new LifeboatError("INTEGRITY", "the server's manifest of the base backup names another range of WAL than the server itself");
  }
  const lastNeeded = formatLsn(parseLsn(endLsn) - 1n); // the end is the first position that is no longer required
  for (const name of segmentNames(timeline, startLsn, lastNeeded, segmentBytes)) {
    if (seen.sizeOf(`pg_wal/${name}`) !== segmentBytes)
      throw new LifeboatError("DUMP_INCOMPLETE", `the base backup lacks the log segment ${name}`);
  }
}

function known(facts: ByteFacts | undefined): ByteFacts {
  if (facts === undefined) throw new LifeboatError("BUG", "the facts of an archive were asked for before it had ended");
  return facts;
}

async function* pieces(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let gathered: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const slice of bytes) {
    gathered.push(slice);
    sizeBytes += slice.length;
    if (sizeBytes < PIECE_BYTES) continue;
    yield Buffer.concat(gathered);
    gathered = [];
    sizeBytes = 0;
  }
  if (sizeBytes > 0) yield Buffer.concat(gathered);
}
