// The erasure ledger of a source: which rows were erased on request, and stay erased after every restore. One signed object lists the
// entries; the hashes of their keys are sealed beside it. Only entries that a trusted key signed act, and every machine remembers the
// entries that it has seen, so that a removed one is noticed. Entries are never deleted: one that is revoked stays, with the reason.
import * as z from "zod/mini";
import type { ByteFacts } from "../core/byte-facts.ts";
import type { ErasedKeys, Reference } from "../core/erasure.ts";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import type { OpenKey, SealKey } from "../seal/keys.ts";
import { seal } from "../seal/seal.ts";
import { unseal } from "../seal/unseal.ts";
import { count, digest, facts, format, id, instant, list, maybe, prose, type Schema, segment, word } from "./fields.ts";
import { erasureKeysName, erasuresFolder, erasuresName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { changeSigned, getSigned, type Signed } from "./signed.ts";
import { assertReadable, readWhole } from "./whole.ts";

export interface Erasure {
  readonly id: string;
  readonly at: string;
  /** User and host. */
  readonly by: string;
  readonly reason: string;
  readonly table: string;
  readonly columns: readonly string[];
  /** How many keys it has. */
  readonly keys: number;
  readonly plain: ByteFacts;
  readonly stored: ByteFacts;
  /** It was recorded with that entry: rows that refer to rows erased by it, or by others that follow it, are erased too. */
  readonly follows?: (Reference & { readonly id: string }) | undefined;
  /** Since then it no longer acts. */
  readonly revoked?: { readonly at: string; readonly by: string; readonly reason: string } | undefined;
}

interface Ledger {
  readonly format: 1;
  readonly source: string;
  readonly entries: readonly Erasure[];
}

const schema: Schema<Ledger> = z.looseObject({
  format,
  source: segment,
  entries: list(
    z.looseObject({
      id,
      at: instant,
      by: word,
      reason: prose,
      table: prose,
      columns: list(prose),
      keys: count,
      plain: facts,
      stored: facts,
      follows: maybe(z.looseObject({ id, table: prose, columns: list(prose) })),
      revoked: maybe(z.looseObject({ at: instant, by: word, reason: prose })),
    }),
  ),
});

const keysSchema: Schema<{ readonly salt: string; readonly hashes: readonly string[] }> = z.looseObject({
  salt: prose,
  hashes: z.array(digest),
});

/** Of one entry: what is read whole into memory is bounded. */
export const MOST_KEYS = 450_000;

/** The salt of all hashes of a source: one, so that a row is hashed once for all entries. The hashes are sealed besides. */
export const saltOf = ({ identity }: Pick<Repository, "identity">, source: string): string => `${identity.id} ${source} `;

export interface ReadLedger {
  /** Oldest first, revoked ones included. */
  readonly entries: readonly Erasure[];
  /** Why entries may be missing. */
  readonly flaws: readonly HealthReason[];
}

/** Reads the ledger, compares it with what this machine has seen of it, and remembers it. */
export async function readErasures(repository: Repository, source: string, signal?: AbortSignal): Promise<ReadLedger> {
  const { memory } = repository;
  const flaws: HealthReason[] = [];
  const lost = (message: string): void => void flaws.push({ code: "ERASURES_LOST", message });
  const name = erasuresName(source);
  // Before the ledger: what another process adds meanwhile is then not missed.
  const known = memory.revisions(erasuresFolder(source));
  let found: Signed<Ledger> | undefined;
  try {
    found = await getSigned(repository, "erasures", name, schema, signal);
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
    flaws.push({ code: "OBJECT_UNREADABLE", message: error.message });
  }
  if (found !== undefined && found.signedBy === undefined) lost(`${name} is not signed by a trusted key and erases nothing`);
  else if (found !== undefined && found.value.source !== source) lost(`${name} is the erasure ledger of another source`);
  const entries = found?.signedBy === undefined || found.value.source !== source ? [] : found.value.entries;
  const present = new Map(entries.map((entry) => [erasureKeysName(source, entry.id), entry]));
  for (const [object, revision] of known) {
    const entry = present.get(object);
    const entryId = object.slice(erasuresFolder(source).length, -".zst.age".length);
    if (entry === undefined) lost(`erasure ${entryId} of ${source} is missing`);
    else if (revisionOf(entry) < revision) lost(`erasure ${entryId} of ${source} was revoked, and its revocation is missing`);
  }
  for (const [object, entry] of present) if (revisionOf(entry) > (known.get(object) ?? 0)) memory.seeRevision(object, revisionOf(entry));
  return { entries, flaws };
}

/** What a machine remembers of an entry. */
const revisionOf = ({ revoked }: Erasure): number => (revoked === undefined ? 1 : 2);

/** Accepts the ledger as it is now: entries that are lost are no longer missed. */
export async function acknowledgeErasures(repository: Repository, source: string): Promise<void> {
  for (const object of repository.memory.revisions(erasuresFolder(source)).keys()) repository.memory.seeRevision(object, undefined);
  await readErasures(repository, source);
}

/** An entry and its keys. */
export interface NewErasure extends Omit<Erasure, "keys" | "plain" | "stored"> {
  readonly sealed: Pick<ErasedKeys, "salt" | "hashes">;
}

/** Seals the hashes, then adds the entries at once. INTEGRITY while the ledger has flaws: an entry must not hide that others are lost. */
export async function addErasures(
  repository: Repository,
  source: string,
  made: readonly NewErasure[],
  key: SealKey,
  signal?: AbortSignal,
): Promise<Erasure[]> {
  await assertWhole(repository, source, signal);
  const added: Erasure[] = [];
  for (const one of made) added.push(await sealKeys(repository, source, one, key, signal));
  await change(repository, source, (entries) => [...entries, ...added]);
  for (const entry of added) repository.memory.seeRevision(erasureKeysName(source, entry.id), revisionOf(entry));
  return added;
}

async function sealKeys(
  repository: Repository,
  source: string,
  { sealed: { salt, hashes }, ...made }: NewErasure,
  key: SealKey,
  signal: AbortSignal | undefined,
): Promise<Erasure> {
  const bytes = new TextEncoder().encode(JSON.stringify({ salt, hashes }));
  const sealed = seal(
    (async function* () {
      yield bytes;
    })(),
    key,
    { signal },
  );
  await repository.storage.put(erasureKeysName(source, made.id), sealed.bytes, { ifAbsent: true, signal });
  return { ...made, keys: hashes.length, ...sealed.facts() };
}

/** Takes an entry back, and those that follow it. Returns none when there is no such entry that acts. */
export async function revokeErasure(
  repository: Repository,
  source: string,
  wanted: string,
  revoked: NonNullable<Erasure["revoked"]>,
  signal?: AbortSignal,
): Promise<Erasure[]> {
  await assertWhole(repository, source, signal);
  let taken: Erasure[] = [];
  await change(repository, source, (entries) => {
    const isActing = entries.some(({ id, revoked }) => id === wanted && revoked === undefined);
    const isTaken = ({ id, follows, revoked }: Erasure) => isActing && revoked === undefined && (id === wanted || follows?.id === wanted);
    taken = entries.filter(isTaken).map((one) => ({ ...one, revoked }));
    return entries.map((one) => taken.find(({ id }) => id === one.id) ?? one);
  });
  for (const entry of taken) repository.memory.seeRevision(erasureKeysName(source, entry.id), revisionOf(entry));
  return taken;
}

async function assertWhole(repository: Repository, source: string, signal: AbortSignal | undefined): Promise<void> {
  const [flaw] = (await readErasures(repository, source, signal)).flaws;
  if (flaw === undefined) return;
  throw new LifeboatError("INTEGRITY", `the erasure ledger of ${source} is not whole: ${flaw.message}`, {
    hint: `put it back; if it is lost for good, run \`lifeboat acknowledge ${source} --reason lost\``,
  });
}

async function change(repository: Repository, source: string, next: (entries: readonly Erasure[]) => readonly Erasure[]): Promise<void> {
  await changeSigned(
    repository,
    "erasures",
    erasuresName(source),
    schema,
    (found): Ledger => ({ format: 1, source, entries: next(found?.entries ?? []) }),
  );
}

/** The hashes of an entry. OBJECT_MISSING, INTEGRITY, WRONG_KEY. */
export async function readErasedKeys(
  { storage }: Repository,
  source: string,
  { id: entryId, table, columns, follows, plain, stored }: Erasure,
  key: OpenKey,
  signal?: AbortSignal,
): Promise<ErasedKeys> {
  const name = erasureKeysName(source, entryId);
  assertReadable("list of erased keys", plain.sizeBytes);
  const bytes = await readWhole("list of erased keys", unseal(storage.get(name, { signal }), key, { plain, stored }), plain.sizeBytes);
  const read = keysSchema.safeParse(parsed(bytes));
  if (!read.success) throw new LifeboatError("INTEGRITY", `${name} in ${storage.url} is damaged: it is not a list of erased keys`);
  return { table, columns, ...read.data, closure: follows?.id ?? entryId, follows };
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
