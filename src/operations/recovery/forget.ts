// Forget: rows that a person had erased are recorded by the hashes of their keys, and every later restore erases them again. The live
// database is read, never changed: what else belongs to an erasure there is the application's to know.
import { LifeboatError } from "../../core/errors.ts";
import { addErasure, type Erasure, MOST_KEYS, readErasedKeys, readErasures, revokeErasure, saltOf } from "../../repository/erasures.ts";
import { thisOwner } from "../../repository/owner.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";

export interface ForgetRequest {
  readonly table: string;
  readonly columns?: readonly string[] | undefined;
  /** A key of several columns is a list, or a JSON array of texts. */
  readonly keys?: readonly (string | readonly string[])[] | undefined;
  readonly where?: string | undefined;
  /** Ids of entries, or their beginnings, whose keys are these columns' too. */
  readonly keysOf?: readonly string[] | undefined;
  readonly reason: string;
}

export interface Forgotten {
  readonly source: string;
  readonly entry: Erasure;
  /** Live rows that match now. */
  readonly live: number;
}

/** USAGE, TABLE_UNKNOWN, ERASURE_UNKNOWN; INTEGRITY while the ledger is not whole. No message contains a key. */
export async function forgetRows(context: Context, source: Source, request: ForgetRequest, watch: Watch): Promise<Forgotten> {
  const { table, columns, keys, where, keysOf, reason } = request;
  const given = [keys, where, keysOf].filter((one) => one !== undefined && one.length > 0);
  if (given.length !== 1) {
    throw new LifeboatError("USAGE", "name the rows by keys, by a condition, or by the keys of other entries: one of these", {
      hint: `give --key, --keys-from, --where or --keys-of: \`lifeboat forget --help\``,
    });
  }
  const { erasure } = source.engine;
  if (erasure === undefined) throw new LifeboatError("CAPABILITY_MISSING", `rows of ${source.name} cannot be erased by this engine`);
  return runJob(
    context,
    { verb: "forget", source: source.name, reason },
    watch,
    async (job) => {
      const { repository, sealKey, clock } = context;
      const work = { signal: job.signal, progress: watch.progress };
      const earlier = keysOf === undefined ? undefined : await hashesOf(context, source.name, keysOf, job.signal);
      const selection = { table, columns, where, keys: keys?.map(valuesOf), salt: saltOf(repository, source.name), ...earlier };
      const live = await source.provider.connection(work);
      const { live: rows, salt, hashes, ...named } = await job.step("read", () => erasure.select(live, { ...selection, ...work }));
      if (hashes.length > MOST_KEYS)
        throw new LifeboatError("USAGE", `an entry takes at most ${MOST_KEYS} keys, and these are ${hashes.length}`, {
          hint: "record them in several entries",
        });
      const made = { id: job.id, at: clock.now().toISOString(), by: me(), reason, ...named };
      const entry = await job.step("record", () => addErasure(repository, source.name, made, { salt, hashes }, sealKey, job.signal));
      return { source: source.name, entry, live: rows };
    },
    ({ entry }) => ({ table: entry.table, keys: entry.keys }),
  );
}

function me(): string {
  const { user, host } = thisOwner();
  return `${user}@${host}`;
}

/** A text that is a JSON array of texts or whole numbers is a key of several columns. */
function valuesOf(key: string | readonly string[]): readonly string[] {
  if (typeof key !== "string") return key;
  if (!key.startsWith("[")) return [key];
  try {
    const values: unknown = JSON.parse(key);
    const isPlain = (value: unknown): value is string | number => typeof value === "string" || Number.isSafeInteger(value);
    if (Array.isArray(values) && values.every(isPlain)) return values.map(String);
  } catch {
    // Reported below, without the key.
  }
  throw new LifeboatError("USAGE", "a key that begins with [ is not a JSON array of texts and whole numbers");
}

/** The hashes of other entries, and the salt that all of them were made with. */
async function hashesOf(context: Context, source: string, wanted: readonly string[], signal: AbortSignal) {
  const key = await context.openKey();
  const hashes = new Set<string>();
  let salt: string | undefined;
  for (const id of wanted) {
    const { entry } = await findErasure(context, id, [source], signal);
    const read = await readErasedKeys(context.repository, source, entry, key, signal);
    if (salt !== undefined && salt !== read.salt)
      throw new LifeboatError("USAGE", "these entries were hashed with different salts: name one at a time");
    salt = read.salt;
    for (const hash of read.hashes) hashes.add(hash);
  }
  return { hashes: [...hashes], ...(salt !== undefined && { salt }) };
}

interface FoundErasure {
  readonly source: string;
  readonly entry: Erasure;
}

/** The entry of that id, or of the only one that begins so. ERASURE_UNKNOWN, POINT_AMBIGUOUS. */
async function findErasure(context: Context, wanted: string, sources: Iterable<string>, signal: AbortSignal): Promise<FoundErasure> {
  const typed = wanted.toLowerCase();
  const found: FoundErasure[] = [];
  for (const source of sources)
    for (const entry of (await readErasures(context.repository, source, signal)).entries)
      if (typed !== "" && entry.id.startsWith(typed)) found.push({ source, entry });
  const [one, ...others] = found;
  if (one === undefined) throw new LifeboatError("ERASURE_UNKNOWN", `no entry of the erasure ledger has the id ${wanted}`);
  if (others.length === 0) return one;
  throw new LifeboatError("POINT_AMBIGUOUS", `${found.length} entries of the erasure ledger begin with ${wanted}`, {
    hint: `give the whole id: ${found.map(({ entry }) => entry.id).join(", ")}`,
  });
}

/** Takes an entry back: from now on it erases nothing. It stays in the ledger, with the reason. */
export async function revoke(
  context: Context,
  { erasure, reason }: { readonly erasure: string; readonly reason: string },
  watch: Watch,
): Promise<FoundErasure> {
  const { source, entry } = await findErasure(context, erasure, context.sources.keys(), watch.signal);
  return runJob(
    context,
    { verb: "erasures-revoke", source, reason },
    watch,
    async (job) => {
      const revoked = { at: context.clock.now().toISOString(), by: me(), reason };
      const now = await revokeErasure(context.repository, source, entry.id, revoked, job.signal);
      if (now === undefined) throw new LifeboatError("ERASURE_UNKNOWN", `erasure ${entry.id} of ${source} is revoked already`);
      return { source, entry: now };
    },
    () => ({ revoked: entry.id }),
  );
}
