// Verifies the audit log: recomputes it from its entries, and compares it with its checkpoint, its tiles, what this machine has seen of it,
// and what witnesses keep. The first entry that was removed, changed or moved is named.
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import { decodeEntry } from "../../repository/audit-entry.ts";
import {
  openCheckpoint,
  readBundle,
  readCheckpoint,
  rememberedHead,
  rememberHead,
  statedHead,
  treeOf,
} from "../../repository/audit-log.ts";
import { auditFolder } from "../../repository/layout.ts";
import { appended, isEqualHash, leafHash, type NodeHash, partialWidth, rootOfEdge, TILE_WIDTH } from "../../repository/merkle.ts";
import type { Repository } from "../../repository/repository.ts";
import type { TreeHead } from "../../repository/signed-note.ts";
import type { Context } from "../context.ts";

export interface AuditFlaw {
  /** Place of the first entry that is not as it was, from 0. Undefined: it cannot be told which. */
  readonly index?: number | undefined;
  readonly message: string;
}

export interface WitnessFinding {
  readonly name: string;
  readonly where: string;
  /** Entries of the newest checkpoint that it keeps. Undefined: none, or it was not reached. */
  readonly size?: number | undefined;
  /** Why it could not be asked. */
  readonly error?: string | undefined;
}

export interface AuditFinding {
  readonly size: number;
  readonly root?: NodeHash | undefined;
  readonly flaws: readonly AuditFlaw[];
  readonly witnesses: readonly WitnessFinding[];
}

/** Of each witness: enough to tell between which entries a log was rewritten. */
const MOST_CHECKPOINTS = 50;

/** A head of the log that was kept elsewhere. */
interface KeptHead extends TreeHead {
  readonly by: string;
}

export async function verifyAudit(context: Pick<Context, "repository" | "witnesses">, signal: AbortSignal): Promise<AuditFinding> {
  const { repository } = context;
  const kept: KeptHead[] = [];
  const flaws: AuditFlaw[] = [];
  const seen = rememberedHead(repository);
  if (seen !== undefined) kept.push({ ...seen, by: "this machine" });
  const witnesses: WitnessFinding[] = [];
  /** What no trusted key signed: of a key that was retired since, when it states what the log is. */
  const foreign: { readonly by: string; readonly stated: TreeHead | undefined }[] = [];
  for (const { name, where, read } of context.witnesses ?? []) {
    try {
      const notes = await read(MOST_CHECKPOINTS, signal);
      const heads = notes.flatMap((note) => openCheckpoint(repository, note) ?? []);
      const unsigned = notes.filter((note) => openCheckpoint(repository, note) === undefined);
      foreign.push(...unsigned.map((note) => ({ by: name, stated: statedHead(repository, note) })));
      kept.push(...heads.map((head) => ({ ...head, by: `witness ${name}` })));
      witnesses.push({ name, where, size: heads.length === 0 ? undefined : Math.max(...heads.map(({ size }) => size)) });
    } catch (error) {
      signal.throwIfAborted();
      witnesses.push({ name, where, error: asLifeboatError(error).message });
    }
  }
  const head = await headOf(repository, flaws, signal);
  const sizes = new Set([...kept, ...foreign.flatMap(({ stated }) => stated ?? [])].map(({ size }) => size));
  const { roots, first } = await recompute(repository, head?.size ?? 0, sizes, signal);
  const size = head?.size ?? 0;
  if (head !== undefined && first !== undefined) flaws.unshift(first);
  else if (head !== undefined && !isEqualHash(roots.get(size), head.root)) flaws.unshift(await mismatch(repository, size, signal));
  flaws.push(...compare(kept, head, roots));
  const strange = foreign.filter(({ stated }) => stated === undefined || !isEqualHash(roots.get(stated.size), stated.root));
  for (const [by, all] of Map.groupBy(strange, (one) => one.by))
    flaws.push({ message: `witness ${by} keeps ${all.length} checkpoints that no trusted key signed and that do not fit the log` });
  if (flaws.length === 0 && head !== undefined) rememberHead(repository, head);
  return { size, root: head?.root, flaws, witnesses };
}

async function headOf(repository: Repository, flaws: AuditFlaw[], signal: AbortSignal): Promise<TreeHead | undefined> {
  try {
    const head = await readCheckpoint(repository, signal);
    if (head !== undefined) return head;
    for await (const _ of repository.storage.list(`${auditFolder}tile/entries/`, { signal })) {
      flaws.push({ index: 0, message: "the checkpoint of the audit log is gone, and its entries are there" });
      break;
    }
  } catch (error) {
    if (!isLifeboatError(error, "AUDIT_INVALID")) throw error;
    flaws.push({ message: error.message });
  }
  return undefined;
}

interface Recomputed {
  /** By size: the whole log, and what others keep a checkpoint of. */
  readonly roots: ReadonlyMap<number, NodeHash>;
  /** The first entry that does not say that it belongs where it is. */
  readonly first?: AuditFlaw | undefined;
}

async function recompute(repository: Repository, size: number, sizes: ReadonlySet<number>, signal: AbortSignal): Promise<Recomputed> {
  const tree = treeOf(repository, size, signal);
  const roots = new Map<number, NodeHash>();
  let edge: readonly (readonly NodeHash[])[] = [];
  let first: AuditFlaw | undefined;
  for (let bundle = 0; bundle * TILE_WIDTH < size && first === undefined; bundle++) {
    const width = Math.min(TILE_WIDTH, size - bundle * TILE_WIDTH);
    const [entries, tile] = [await readBundle(repository, bundle, width, signal), await tree.leaves(bundle)];
    for (let at = 0; at < width && first === undefined; at++) {
      const index = bundle * TILE_WIDTH + at;
      const bytes = entries[at];
      const read = bytes && decodeEntry(repository, bytes);
      const isStored = bytes !== undefined && isEqualHash(leafHash(bytes), tile?.[at]);
      if (bytes === undefined) first = { index, message: `entry ${index} is missing` };
      else if (read === undefined) first = { index, message: `entry ${index} was changed: it is not an entry of this log` };
      else if (read.index !== index) first = { index, message: `entry ${index} was removed or moved: entry ${read.index} is in its place` };
      else if (read.signedBy === undefined && !isStored)
        first = { index, message: `entry ${index} was changed: its signature does not fit` };
      else if (!isStored) first = { index, message: `entry ${index} does not fit the tree of the log` };
      if (bytes !== undefined) ({ edge } = appended(edge, leafHash(bytes)));
      if (index + 1 === size || sizes.has(index + 1)) roots.set(index + 1, rootOfEdge(edge));
    }
  }
  return { roots, first };
}

/** The entries, their signatures and tiles fit each other, and not the checkpoint. */
async function mismatch(repository: Repository, size: number, signal: AbortSignal): Promise<AuditFlaw> {
  for (let bundle = 0; bundle * TILE_WIDTH < size; bundle++) {
    const width = bundle === Math.floor(size / TILE_WIDTH) ? partialWidth(size, 0) : TILE_WIDTH;
    const entries = await readBundle(repository, bundle, width, signal);
    const at = entries.findIndex((bytes) => decodeEntry(repository, bytes)?.signedBy === undefined);
    const index = bundle * TILE_WIDTH + at;
    if (at !== -1) return { index, message: `entry ${index} was changed: its signature does not fit` };
  }
  return { message: "the entries of the audit log do not fit its checkpoint" };
}

/** What others keep against what is there. Of a log that its own writer rewrote, only between which checkpoints can be told. */
function compare(kept: readonly KeptHead[], head: TreeHead | undefined, roots: ReadonlyMap<number, NodeHash>): AuditFlaw[] {
  const flaws: AuditFlaw[] = [];
  const size = head?.size ?? 0;
  const longest = kept.reduce<KeptHead | undefined>((most, one) => (most === undefined || one.size > most.size ? one : most), undefined);
  if (longest !== undefined && longest.size > size)
    flaws.push({ index: size, message: `entry ${size} and all after it are gone: ${longest.by} has seen ${longest.size} entries` });
  const within = kept.filter((one) => one.size <= size && one.size > 0 && roots.has(one.size));
  const different = within.filter((one) => !isEqualHash(roots.get(one.size), one.root)).sort((a, b) => a.size - b.size)[0];
  if (different === undefined) return flaws;
  const equal = within.filter((one) => one.size < different.size && isEqualHash(roots.get(one.size), one.root));
  const from = Math.max(0, ...equal.map((one) => one.size));
  const message = `an entry from ${from} to ${different.size - 1} differs from what ${different.by} has seen: the log was rewritten`;
  return [...flaws, { index: from, message }];
}
