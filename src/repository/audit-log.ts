// The audit log: an append-only Merkle log in the form of C2SP tlog-tiles, with checkpoints that the writer key signs.
//
// Several machines append at once without a lock. Which entry is the next is decided by who first creates the bundle that is one entry
// longer; the checkpoint is then replaced conditionally. A process that died in between has left a bundle with a signed entry, and the
// next writer commits that entry before its own.
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { ObjectInfo } from "../ports/storage.ts";
import { type AuditEntry, decodeBundle, decodeEntry, encodeBundle, encodeEntry, originOf, type ReadEntry } from "./audit-entry.ts";
import { getBytes } from "./json-object.ts";
import { auditCheckpoint, auditFolder } from "./layout.ts";
import {
  appended,
  fullTiles,
  isEqualHash,
  leafHash,
  MerkleTree,
  type NodeHash,
  partialWidth,
  rootOfEdge,
  TILE_WIDTH,
  tilePath,
} from "./merkle.ts";
import type { Repository } from "./repository.ts";
import { checkpointText, openNote, readCheckpointText, signNote, type TreeHead } from "./signed-note.ts";
import { requireWriter } from "./trust.ts";

const HASH_BYTES = 32;
const CHECKPOINT_BYTES = 64 * 1024;
/** Entries of others that are waited for. */
const ATTEMPTS = 50;

export interface Checkpoint extends TreeHead {
  /** The signed note, as it is stored. */
  readonly note: string;
  readonly etag: string;
}

/** What no honest writer leaves: the log was changed, shortened or replaced. */
export const auditBroken = (message: string): LifeboatError =>
  new LifeboatError("AUDIT_INVALID", message, { hint: "run `lifeboat audit verify` to see the first entry that differs" });

/** The head that a signed checkpoint of this repository states. Undefined: no trusted key signed it, or it is of another log. */
export function openCheckpoint(repository: Repository, note: string): TreeHead | undefined {
  const opened = openNote(note, originOf(repository), repository.trust.keys);
  return opened && readCheckpointText(opened.text, originOf(repository));
}

/** The head that the text of a note states, by any signer. Undefined: it is not a checkpoint of this repository. */
export const statedHead = (repository: Repository, note: string): TreeHead | undefined =>
  readCheckpointText(note.slice(0, note.lastIndexOf("\n\n") + 1), originOf(repository));

/** Undefined: there is none. No byte of an object that is larger than a file of the log can be: it fits no signature and no tree. */
async function readFile(
  storage: Repository["storage"],
  name: string,
  signal?: AbortSignal,
  most?: number,
): Promise<Uint8Array | undefined> {
  try {
    return await getBytes(storage, name, signal, most);
  } catch (error) {
    if (isLifeboatError(error, "INTEGRITY")) return new Uint8Array();
    throw error;
  }
}

/** The newest checkpoint. `known`: its facts, just read. Undefined: the log does not exist yet. AUDIT_INVALID: it is not signed by a trusted key, or belongs elsewhere. */
export async function readCheckpoint(
  repository: Repository,
  signal?: AbortSignal,
  known?: ObjectInfo | undefined,
): Promise<Checkpoint | undefined> {
  const { storage } = repository;
  const facts = known ?? (await storage.head(auditCheckpoint, { signal }));
  const bytes = facts && (await readFile(storage, auditCheckpoint, signal, CHECKPOINT_BYTES));
  if (facts === undefined || bytes === undefined) return undefined;
  const note = Buffer.from(bytes).toString("utf8");
  const head = openCheckpoint(repository, note);
  if (head === undefined) throw auditBroken(`${auditCheckpoint} in ${storage.url} is not a checkpoint that a trusted key signed`);
  return { ...head, note, etag: facts.etag };
}

/** The tree of the log at this head. */
export function treeOf({ storage }: Repository, size: number, signal?: AbortSignal): MerkleTree {
  return new MerkleTree(size, async (level, index, width) => {
    const bytes = await readTile(storage, level, index, width, signal);
    return Array.from({ length: Math.min(width, Math.floor((bytes?.length ?? 0) / HASH_BYTES)) }, (_, at) =>
      Buffer.from(bytes ?? []).subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
    );
  });
}

/** A partial tile may have been replaced by a wider one. */
async function readTile(
  storage: Repository["storage"],
  level: number | "entries",
  index: number,
  width: number,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const exact = await readFile(storage, auditFolder + tilePath(level, index, width), signal);
  return exact ?? (await readFile(storage, auditFolder + tilePath(level, index, TILE_WIDTH), signal));
}

/** The stored entries of one bundle, as far as they are there: not compared with the tree. */
export async function readBundle({ storage }: Repository, index: number, width: number, signal?: AbortSignal): Promise<Uint8Array[]> {
  const bytes = await readTile(storage, "entries", index, width, signal);
  return bytes === undefined ? [] : decodeBundle(bytes).slice(0, width);
}

interface State {
  readonly size: number;
  /** Undefined: there is no checkpoint yet. */
  readonly etag: string | undefined;
  readonly edge: readonly (readonly NodeHash[])[];
  /** Entries of the last bundle. */
  readonly tail: readonly Uint8Array[];
}

/** What this process has appended last. While the checkpoint is the same, so is the log: each job asks for that alone. */
const APPENDED = new WeakMap<Repository, State>();

/** The end of the log, proven by its checkpoint and by what this machine has seen of it. AUDIT_INVALID. */
async function readState(repository: Repository): Promise<State> {
  const known = APPENDED.get(repository);
  const facts = await repository.storage.head(auditCheckpoint);
  if (known !== undefined && facts?.etag === known.etag) return known;
  for (let attempt = 1; ; attempt++) {
    const head = await readCheckpoint(repository, undefined, attempt === 1 ? facts : undefined);
    const size = head?.size ?? 0;
    const width = partialWidth(size, 0);
    const tail = width === 0 ? [] : await readBundle(repository, fullTiles(size, 0), width);
    const tree = treeOf(repository, size);
    const edge = await tree.edge(tail.map(leafHash));
    if (head === undefined || isEqualHash(rootOfEdge(edge), head.root)) {
      const seen = rememberedHead(repository);
      if (seen?.size !== head?.size || !isEqualHash(seen?.root, head?.root)) await assertNotRolledBack(repository, head, tree);
      return { size, etag: head?.etag, edge, tail };
    }
    const now = await readCheckpoint(repository); // another process may have removed the partial tiles of an older checkpoint
    if (now?.note === head.note || attempt === ATTEMPTS) throw auditBroken("the last entries of the audit log do not fit its checkpoint");
  }
}

const MEMORY = "audit";

/** What this machine last knew of the log. */
export function rememberedHead(repository: Repository): TreeHead | undefined {
  const text = repository.memory.text(MEMORY);
  return text === undefined ? undefined : readCheckpointText(text, originOf(repository));
}

export const rememberHead = (repository: Repository, head: TreeHead): void =>
  repository.memory.seeText(MEMORY, checkpointText(originOf(repository), head));

/** AUDIT_INVALID when the log is shorter than, or differs from, what this machine has seen. */
export async function assertNotRolledBack(repository: Repository, head: TreeHead | undefined, tree: MerkleTree): Promise<void> {
  const seen = rememberedHead(repository);
  if (seen === undefined) return;
  const why = await inconsistency(seen, head, tree);
  if (why !== undefined) throw auditBroken(`${why} since this machine last saw it`);
}

/** Why the log is not a continuation of an older head. Undefined: it is one. */
export async function inconsistency(older: TreeHead, head: TreeHead | undefined, tree: MerkleTree): Promise<string | undefined> {
  if (older.size === 0) return undefined;
  if (head === undefined) return `the audit log, which had ${older.size} entries, was removed`;
  if (head.size < older.size) return `the audit log was rolled back from ${older.size} entries to ${head.size}`;
  return isEqualHash(await tree.rootAt(older.size), older.root)
    ? undefined
    : `one of the first ${older.size} entries of the audit log was changed`;
}

/** Appends an entry. KEY_MISSING, STORAGE_*; AUDIT_INVALID when the log is not what it was: nothing is appended to a changed log. */
export async function appendEntry(repository: Repository, entry: AuditEntry): Promise<void> {
  requireWriter(repository.trust);
  let mine: { readonly index: number; readonly bytes: Uint8Array } | undefined;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const state = await readState(repository);
    if (mine !== undefined && mine.index < state.size && (await isStored(repository, state.size, mine.index, mine.bytes))) return;
    const bytes = encodeEntry(repository, state.size, entry);
    const next = await claim(repository, state, bytes);
    if (next === undefined) continue;
    if (next === bytes) mine = { index: state.size, bytes };
    const isCommitted = await commit(repository, state, next);
    if (isCommitted && (next === bytes || decodeEntry(repository, next)?.entry.id === entry.id)) return;
  }
  throw new LifeboatError("STORAGE_CONFLICT", "other machines wrote to the audit log all the time");
}

/** Stores the bundle with one more entry. Another's, when that was first; undefined: what is there was replaced meanwhile. */
async function claim(repository: Repository, { size, tail }: State, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const { storage } = repository;
  const name = auditFolder + tilePath("entries", fullTiles(size, 0), tail.length + 1);
  const bundle = encodeBundle([...tail, bytes]);
  try {
    await storage.put(name, bundle, { ifAbsent: true });
    return bytes;
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
  }
  const facts = await storage.head(name);
  const found = facts && (await readFile(storage, name));
  if (facts === undefined || found === undefined) return undefined;
  const other = decodeBundle(found).at(-1);
  const read = other && decodeEntry(repository, other);
  const isGenuine =
    read?.index === size && read.signedBy !== undefined && Buffer.from(encodeBundle([...tail, other ?? bytes])).equals(found);
  if (other !== undefined && isGenuine) return other;
  try {
    await storage.put(name, bundle, { ifMatch: facts.etag }); // no trusted writer made it
    return bytes;
  } catch (error) {
    if (isLifeboatError(error, "STORAGE_CONFLICT")) return undefined;
    throw error;
  }
}

/** Stores the tiles and then the checkpoint. False: another process stored one first. */
async function commit(repository: Repository, { size, etag, edge, tail }: State, entry: Uint8Array): Promise<boolean> {
  const { storage, trust } = repository;
  const next = appended(edge, leafHash(entry));
  for (const { level, hashes } of next.tiles) {
    await storage.put(auditFolder + tilePath(level, fullTiles(size, level), hashes.length), Buffer.concat(hashes));
  }
  const head = { size: size + 1, root: rootOfEdge(next.edge) };
  const origin = originOf(repository);
  const note = Buffer.from(signNote(checkpointText(origin, head), origin, requireWriter(trust)));
  try {
    const stored = await storage.put(auditCheckpoint, note, etag === undefined ? { ifAbsent: true } : { ifMatch: etag });
    const last = partialWidth(size + 1, 0) === 0 ? [] : [...tail, entry];
    APPENDED.set(repository, { size: size + 1, etag: stored.etag, edge: next.edge, tail: last });
  } catch (error) {
    if (isLifeboatError(error, "STORAGE_CONFLICT")) return false;
    throw error;
  }
  rememberHead(repository, head);
  await removeOldPartials(storage, size + 1);
  return true;
}

/** Partial tiles two sizes ago: no reader of the last checkpoint requires them. */
async function removeOldPartials(storage: Repository["storage"], size: number): Promise<void> {
  const width = partialWidth(size - 2, 0);
  if (size <= 2 || width === 0) return;
  for (const level of ["entries", 0] as const)
    await storage.delete(auditFolder + tilePath(level, fullTiles(size - 2, 0), width)).catch(() => undefined);
}

async function isStored(repository: Repository, size: number, index: number, bytes: Uint8Array): Promise<boolean> {
  const bundle = Math.floor(index / TILE_WIDTH);
  const entries = await readBundle(repository, bundle, Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH));
  return Buffer.from(entries[index % TILE_WIDTH] ?? []).equals(bytes);
}

/** The entries before that place, newest first, each proven to be in the tree. AUDIT_INVALID at the first bundle that is not. */
export async function* entriesBackwards(
  repository: Repository,
  signal?: AbortSignal,
  before = Number.MAX_SAFE_INTEGER,
): AsyncIterable<ReadEntry> {
  const head = await readCheckpoint(repository, signal);
  const size = head?.size ?? 0;
  const tree = treeOf(repository, size, signal);
  if (head !== undefined && !isEqualHash(rootOfEdge(await tree.edge()), head.root))
    throw auditBroken("the tiles of the audit log do not fit its checkpoint");
  await assertNotRolledBack(repository, head, tree);
  if (head !== undefined) rememberHead(repository, head);
  const end = Math.min(size, before);
  for (let bundle = Math.ceil(end / TILE_WIDTH) - 1; bundle >= 0; bundle--) {
    const width = Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH);
    const [entries, leaves] = [await readBundle(repository, bundle, width, signal), await tree.leaves(bundle)];
    for (let at = Math.min(width, end - bundle * TILE_WIDTH) - 1; at >= 0; at--) {
      const bytes = entries[at];
      const index = bundle * TILE_WIDTH + at;
      const read = bytes && isEqualHash(leafHash(bytes), leaves?.[at]) ? decodeEntry(repository, bytes) : undefined;
      if (read?.index !== index) throw auditBroken(`entry ${index} of the audit log was changed or removed`);
      yield read;
    }
  }
}

/** Signs the newest checkpoint with the present writer key, before an earlier key is no longer trusted. */
export async function resignCheckpoint(repository: Repository): Promise<void> {
  const { size, edge, etag } = await readState(repository);
  if (etag === undefined) return;
  const origin = originOf(repository);
  const note = signNote(checkpointText(origin, { size, root: rootOfEdge(edge) }), origin, requireWriter(repository.trust));
  await repository.storage.put(auditCheckpoint, Buffer.from(note), { ifMatch: etag });
}
