// The commit gate of a base backup, with a server that says what the test wants it to say.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { type ErrorCode, isLifeboatError } from "../../../core/errors.ts";
import { openFileDigest } from "./file-checks.ts";
import { baseParts } from "./parts.ts";
import type { BackupSource, BackupStart, Section, WalRange } from "./session.ts";
import { archive, type Given } from "./testing.ts";

const START_LSN = "0/2000028";
const START: BackupStart = {
  tablespaces: [{ oid: "16400", location: "/srv/fast" }],
  sizeBytes: 1000,
};
const END_LSN = "0/2000138";
const SEGMENT_BYTES = 1 << 20;

const crc = (content: Buffer): string => {
  const digest = openFileDigest("CRC32C");
  digest.update(content);
  return digest.hex();
};

interface ManifestEntry {
  readonly Path: string;
  readonly Size: number;
  readonly "Checksum-Algorithm"?: string;
  readonly Checksum?: string;
}

const entry = (Path: string, content: Buffer): ManifestEntry => ({
  Path,
  Size: content.length,
  "Checksum-Algorithm": "CRC32C",
  Checksum: crc(content),
});

function manifestOf(files: readonly ManifestEntry[], endLsn = END_LSN): Buffer {
  const range = { Timeline: 1, "Start-LSN": START_LSN, "End-LSN": endLsn };
  const head = `{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": ${JSON.stringify(files)},\n"WAL-Ranges": ${JSON.stringify([range])},\n`;
  return Buffer.from(`${head}"Manifest-Checksum": "${createHash("sha256").update(head).digest("hex")}"}\n`);
}

const one = Buffer.from("one");
const two = Buffer.alloc(9000, "two");
const BASE: readonly Given[] = [
  { path: "backup_label", content: one },
  { path: "base/1/2", content: two },
  { path: "pg_wal/000000010000000000000020", content: Buffer.alloc(SEGMENT_BYTES) },
];
const SPACE: readonly Given[] = [{ path: "PG_15/5/6", content: two }];
const ENTRIES = [entry("pg_tblspc/16400/PG_15/5/6", two), entry("backup_label", one), entry("base/1/2", two)];

interface Scene {
  readonly base?: readonly Given[];
  readonly spaces?: readonly { readonly location: string; readonly files: readonly Given[] }[];
  readonly manifest?: Buffer | undefined;
  /** Bytes that the archive of the data directory lacks at its end. */
  readonly shortBytes?: number;
}

/** Reads everything, as a storage would; the last part's end is the commit. */
async function play(scene: Scene): Promise<{ parts: string[]; endedAt: string }> {
  const { base = BASE, spaces = [{ location: "/srv/fast", files: SPACE }], shortBytes = 0 } = scene;
  const manifest = "manifest" in scene ? scene.manifest : manifestOf(ENTRIES);
  const bytes = archive(base);
  const sections: { section: Section; bytes: Buffer }[] = [
    ...spaces.map(({ location, files }) => ({ section: { kind: "archive", name: "x.tar", location } as const, bytes: archive(files) })),
    { section: { kind: "archive", name: "base.tar", location: "" }, bytes: bytes.subarray(0, bytes.length - shortBytes) },
    ...(manifest === undefined ? [] : [{ section: { kind: "manifest" } as const, bytes: manifest }]),
  ];
  let present: Buffer | undefined;
  const session = {
    async section() {
      const next = sections.shift();
      present = next?.bytes;
      return next?.section;
    },
    async *content() {
      for (let at = 0; at < (present?.length ?? 0); at += 700) yield present?.subarray(at, at + 700);
    },
    finish: async () => ({ startLsn: START_LSN, endLsn: END_LSN, timeline: 1 }),
  } as unknown as BackupSource;
  let endedAt = "";
  const parts: string[] = [];
  const onEnd = async ({ endLsn }: WalRange): Promise<void> => {
    endedAt = endLsn;
  };
  const options = { session, start: START, compressed: false, checksums: "CRC32C", segmentBytes: SEGMENT_BYTES, onPlain: () => {}, onEnd };
  for await (const part of baseParts(options)) {
    for await (const _ of part.bytes);
    parts.push(part.name);
  }
  return { parts, endedAt };
}

const says = (code: ErrorCode, words: RegExp) => (error: unknown) => {
  assert.ok(isLifeboatError(error, code), String(error));
  assert.match(error.message, words);
  return true;
};

test("R25 archives that are as the manifest says become parts, the manifest last", async () => {
  assert.deepEqual(await play({}), { parts: ["tablespace-16400", "base", "manifest"], endedAt: END_LSN });
});

test("R25 a file that differs from the manifest, is missing, superfluous or there twice ends the backup", async () => {
  const changed = Buffer.from(two);
  changed[8999] = 0;
  const [label, , log] = BASE as [Given, Given, Given];
  await assert.rejects(
    play({ base: [label, { path: "base/1/2", content: changed }, log] }),
    says("INTEGRITY", /base\/1\/2 has the checksum/),
  );
  await assert.rejects(
    play({ base: [label, { path: "base/1/2", content: two.subarray(1) }, log] }),
    says("INTEGRITY", /base\/1\/2 has 8999 bytes, not 9000/),
  );
  await assert.rejects(play({ base: [label, log] }), says("INTEGRITY", /base\/1\/2 is missing/));
  await assert.rejects(play({ base: [...BASE, { path: "base/1/3" }] }), says("INTEGRITY", /base\/1\/3 is not named in it/));
  await assert.rejects(play({ base: [...BASE, label] }), says("INTEGRITY", /backup_label twice/));
  await assert.rejects(
    play({ spaces: [{ location: "/srv/fast", files: [] }] }),
    says("INTEGRITY", /pg_tblspc\/16400\/PG_15\/5\/6 is missing/),
  );
});

test("R25 an archive that is cut short, missing or not announced ends the backup", async () => {
  await assert.rejects(play({ shortBytes: 600 }), says("INTEGRITY", /tar archive ends early/));
  await assert.rejects(play({ spaces: [] }), says("DUMP_INCOMPLETE", /no archive of the tablespace at \/srv\/fast/));
  await assert.rejects(play({ spaces: [{ location: "/srv/else", files: SPACE }] }), says("DUMP_INCOMPLETE", /not announced/));
  await assert.rejects(play({ manifest: undefined }), says("DUMP_INCOMPLETE", /no manifest/));
});

test("R25 a manifest that is damaged, ends early, or leaves a file without a checksum ends the backup", async () => {
  const whole = manifestOf(ENTRIES);
  const changed = Buffer.from(whole);
  changed[120] = (changed[120] as number) ^ 1;
  await assert.rejects(play({ manifest: changed }), says("INTEGRITY", /manifest .* is damaged: its SHA-256/));
  await assert.rejects(play({ manifest: whole.subarray(0, -20) }), says("INTEGRITY", /does not end with its checksum/));
  await assert.rejects(play({ manifest: manifestOf([...ENTRIES, { Path: "bare", Size: 1 }]) }), says("INTEGRITY", /no checksum of bare/));
  await assert.rejects(play({ manifest: manifestOf([...ENTRIES, ...ENTRIES]) }), says("INTEGRITY", /twice/));
  await assert.rejects(play({ manifest: manifestOf(ENTRIES, "0/3000000") }), says("INTEGRITY", /another range of WAL/));
});

test("R25 a backup that lacks log of its own time ends: it could not stand alone", async () => {
  await assert.rejects(play({ base: BASE.slice(0, 2) }), says("DUMP_INCOMPLETE", /lacks the log segment 000000010000000000000020/));
  const halved = { path: "pg_wal/000000010000000000000020", content: Buffer.alloc(SEGMENT_BYTES / 2) };
  await assert.rejects(play({ base: [...BASE.slice(0, 2), halved] }), says("DUMP_INCOMPLETE", /lacks the log segment/));
});
