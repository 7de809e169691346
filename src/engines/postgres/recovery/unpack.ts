// Unpacks the archives of a base backup into a data directory, and checks that what the server's manifest names is there.
import { lchownSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { LifeboatError } from "../../../core/errors.ts";
import type { RecoveryOrder } from "../../../ports/physical.ts";
import type { ServerUser } from "../../../process/server-user.ts";
import { gatherManifest, readBackupManifest } from "../base/manifest.ts";
import type { RecoveryPlace } from "./place.ts";
import { unpackArchive } from "./unpack-archive.ts";
import { ownDirectory } from "./write-files.ts";

/** Not brought back: links are made anew to where tablespaces are now; signal files would make a server wait for a primary. */
const LEFT_OUT = ["tablespace_map", "standby.signal", "recovery.signal", "postmaster.pid", "postmaster.opts"];
const NOT_IN_MANIFEST = /^(pg_wal\/|backup_manifest$)/;

type Unpacking = Omit<RecoveryOrder, "expectedEnd">;

/** INTEGRITY when an archive is damaged or holds what it must not; DISK_FULL. Files that are there already are never written over. */
export async function unpack(order: Unpacking, place: RecoveryPlace): Promise<void> {
  const { base, parts, signal } = order;
  const seen = new Map<string, number>();
  const waiting = new Set(["base", ...base.tablespaces.map(({ oid }) => `tablespace-${oid}`)]);
  let manifest: Uint8Array | undefined;
  ownDirectory(place.directory, place.owner);
  for await (const part of parts) {
    signal?.throwIfAborted();
    if (part.name === "manifest") {
      manifest = await gatherManifest(part.bytes, part.sizeBytes);
      continue;
    }
    if (!waiting.delete(part.name)) throw new LifeboatError("INTEGRITY", `the base backup has a part ${part.name} that it should not have`);
    const oid = part.name === "base" ? undefined : part.name.slice("tablespace-".length);
    const [root, prefix] = oid === undefined ? [place.directory, ""] : [tablespace(place, oid), `pg_tblspc/${oid}/`];
    const leftOut = prefix === "" ? LEFT_OUT : [];
    const task = { root, owner: place.owner, leftOut };
    await unpackArchive(watched(part.bytes, order), task, (path, sizeBytes) => note(seen, `${prefix}${path}`, sizeBytes));
  }
  if (waiting.size > 0) throw new LifeboatError("INTEGRITY", `the base backup has no part ${[...waiting].join(", ")}`);
  if (manifest === undefined) throw new LifeboatError("INTEGRITY", "the base backup has no part manifest, which says what its files are");
  compare(seen, manifest);
  for (const { oid } of base.tablespaces) {
    const link = join(place.directory, "pg_tblspc", oid);
    try {
      symlinkSync(join(place.tablespaces, oid), link);
    } catch (cause) {
      throw new LifeboatError("INTEGRITY", `the base backup leaves no room for the link to tablespace ${oid}`, { cause });
    }
    if (place.owner) lchownSync(link, place.owner.uid, place.owner.gid);
  }
}

async function* watched(bytes: AsyncIterable<Uint8Array>, { signal, progress }: Unpacking): AsyncIterable<Uint8Array> {
  for await (const chunk of bytes) {
    signal?.throwIfAborted();
    progress?.advance(chunk.length);
    yield chunk;
  }
}

function note(seen: Map<string, number>, path: string, sizeBytes: number): void {
  if (seen.has(path)) throw new LifeboatError("INTEGRITY", `the base backup holds ${path} twice`);
  seen.set(path, sizeBytes);
}

function tablespace(place: RecoveryPlace, oid: string): string {
  if (!/^\d+$/.test(oid)) throw new LifeboatError("INTEGRITY", `the base backup names a tablespace ${oid}`);
  mkdirSync(place.tablespaces, { recursive: true, mode: 0o700 });
  ownDirectory(place.tablespaces, place.owner);
  const root = join(place.tablespaces, oid);
  mkdirSync(root, { mode: 0o700 });
  ownDirectory(root, place.owner);
  return root;
}

/** Bytes were proven by the digests of the whole archives; this proves that every file of them has been written out. */
function compare(seen: ReadonlyMap<string, number>, bytes: Uint8Array): void {
  const { files } = readBackupManifest(bytes);
  const bad = (path: string, why: string): LifeboatError =>
    new LifeboatError("INTEGRITY", `the base backup is not what the server's manifest says: ${path} ${why}`, { details: { path } });
  for (const [path, { sizeBytes }] of files) {
    const found = seen.get(path);
    if (found === undefined) throw bad(path, "is missing");
    if (found !== sizeBytes) throw bad(path, `has ${found} bytes, not ${sizeBytes}`);
  }
  for (const path of seen.keys()) if (!files.has(path) && !NOT_IN_MANIFEST.test(path)) throw bad(path, "is not named in it");
}

export function ownFile(path: string, owner: ServerUser | undefined): void {
  if (owner) lchownSync(path, owner.uid, owner.gid);
}
