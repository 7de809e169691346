// Forget: rows that a person had erased are recorded by the hashes of their keys, and every later restore erases them again. The live
// database is read, never changed: what else belongs to an erasure there is the application's to know.
import { LifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { Work } from "../../ports/connection.ts";
import type { ErasureEngine, Follower, SelectedKeys } from "../../ports/erasure.ts";
import {
  addErasures,
  type Erasure,
  MOST_KEYS,
  type NewErasure,
  readErasedKeys,
  readErasures,
  revokeErasure,
  saltOf,
} from "../../repository/erasures.ts";
import { thisOwner } from "../../repository/owner.ts";
import { plansShowing } from "../approval/sealed.ts";
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
  /** Rows that refer to these over foreign keys are recorded too. */
  readonly follow?: boolean | undefined;
  readonly reason: string;
}

export interface Forgotten {
  readonly job: string;
  readonly source: string;
  readonly entry: Erasure;
  /** Live rows that match now. */
  readonly live: number;
  /** Entries of rows that refer to them, recorded too. */
  readonly recorded: readonly { readonly entry: Erasure; readonly live: number }[];
  /** Foreign keys by which rows refer to them that were not recorded. */
  readonly left: readonly Follower[];
}

/** What a request names in the live database. */
interface Found {
  readonly selected: SelectedKeys;
  /** An entry that has these very keys: no second one is made. */
  readonly same?: Erasure | undefined;
  readonly followers: readonly Follower[];
}

/** USAGE, TABLE_UNKNOWN, ERASURE_UNKNOWN; INTEGRITY while the ledger is not whole. No message contains a key. */
export async function forgetRows(context: Context, source: Source, request: ForgetRequest, watch: Watch): Promise<Forgotten> {
  const erasure = erasureOf(source, request);
  return runJob(
    context,
    { verb: "forget", source: source.name, reason: request.reason },
    watch,
    async (job) => {
      const work = { signal: job.signal, progress: watch.progress };
      const { selected, same, followers } = await job.step("read", () => findRows(context, source, erasure, request, work));
      const at = context.clock.now();
      const made = { at: at.toISOString(), by: me(), reason: request.reason };
      const headId = same?.id ?? job.id;
      const head = same === undefined ? [{ id: headId, ...made, ...recordOf(selected) }] : [];
      const followed = request.follow === true ? followers : [];
      const others = followed.map(
        ({ follows, ...keys }): NewErasure => ({
          id: makeId(at, context.clock.randomBytes(ID_RANDOM_BYTES)),
          ...made,
          ...recordOf(keys),
          follows: { id: headId, ...follows },
        }),
      );
      const added = await job.step("record", () =>
        addErasures(context.repository, source.name, [...head, ...others], context.sealKey, job.signal),
      );
      const [first] = added;
      const entry = same ?? first;
      if (entry === undefined) throw new Error("no entry was added");
      const recorded = added.slice(head.length).map((one, i) => ({ entry: one, live: followed[i]?.live ?? 0 }));
      return { job: job.id, source: source.name, entry, live: selected.live, recorded, left: request.follow === true ? [] : followers };
    },
    ({ entry, recorded }) => ({ table: entry.table, keys: entry.keys, followed: recorded.length }),
  );
}

/** What would be recorded, and what else refers to it. It names no key. */
export async function planForget(context: Context, source: Source, request: ForgetRequest, watch: Watch): Promise<Plan> {
  const { selected, same, followers } = await findRows(context, source, erasureOf(source, request), request, watch);
  const { row } = wordsOf(source.engine.name);
  const { table, columns, hashes, live } = selected;
  const head: PlanStep = {
    action: "record",
    subject: `${counted(hashes.length, "key")} of ${table} (${columns.join(", ")})`,
    effect: "create",
    reason: `${counted(live, `live ${row}`)} ${live === 1 ? "matches" : "match"}`,
  };
  const steps = followers.map(
    (one): PlanStep => ({
      action: request.follow ? "record" : "leave",
      subject: `rows of ${one.table} (${one.columns.join(", ")}) that refer to ${one.follows.table}`,
      effect: request.follow ? "create" : "none",
      reason: `${counted(one.live, `live ${row}`)}${request.follow ? "" : "; --follow records them too"}`,
    }),
  );
  const recorded = [table, ...(request.follow ? followers.map((one) => one.table) : [])];
  const shown = (await plansShowing(context, source.name, recorded, watch)).map(
    ({ id, operation, expiresAt }): PlanStep => ({
      action: "leave-open",
      subject: `approval ${id}`,
      effect: "none",
      reason: `the plan of its ${operation} shows rows of these tables until ${expiresAt}, and is refused when an erased one is part of it; \`lifeboat approvals revoke ${id}\` removes it`,
    }),
  );
  return { verb: "forget", source: source.name, steps: [...(same === undefined ? [head] : []), ...steps, ...shown], refusals: [] };
}

/** USAGE, CAPABILITY_MISSING. */
function erasureOf({ name, engine: { erasure } }: Source, { keys, where, keysOf, follow }: ForgetRequest): ErasureEngine {
  const given = [keys, where, keysOf].filter((one) => one !== undefined && one.length > 0);
  if (given.length !== 1) {
    throw new LifeboatError("USAGE", "name the rows by keys, by a condition, or by the keys of other entries: one of these", {
      hint: `give --key, --keys-from, --where or --keys-of: \`lifeboat forget --help\``,
    });
  }
  if (erasure === undefined) throw new LifeboatError("CAPABILITY_MISSING", `rows of ${name} cannot be erased by this engine`);
  if (follow && erasure.followers === undefined) {
    throw new LifeboatError("CAPABILITY_MISSING", `${name} has no foreign keys that --follow could follow`, {
      hint: "record what belongs to the document in other collections by itself, with --column and --keys-of",
    });
  }
  return erasure;
}

async function findRows(
  context: Context,
  source: Source,
  erasure: ErasureEngine,
  { table, columns, keys, where, keysOf }: ForgetRequest,
  { signal, progress }: Work & Pick<Watch, "signal">,
): Promise<Found> {
  const work = { signal, progress };
  const { name } = source;
  const earlier = keysOf === undefined || keysOf.length === 0 ? undefined : await hashesOf(context, name, keysOf, signal);
  const { hashes, salt = saltOf(context.repository, name) } = earlier ?? {};
  const live = await source.provider.connection(work);
  const selected = await erasure.select(live, { table, columns, where, keys: keys?.map(valuesOf), salt, hashes, ...work });
  const isSame = (one: Erasure): boolean =>
    one.revoked === undefined && one.table === selected.table && one.columns.join("\0") === selected.columns.join("\0");
  const same = earlier?.entries.length === 1 ? earlier.entries.find(isSame) : undefined;
  const found = (await erasure.followers?.(live, selected, work)) ?? [];
  const { entries } = await readErasures(context.repository, name, signal);
  const isRecorded = (one: Follower): boolean =>
    entries.some(
      ({ follows, revoked, ...entry }) =>
        revoked === undefined && follows !== undefined && follows.id === same?.id && linkText({ ...entry, follows }) === linkText(one),
    );
  return { selected, same, followers: found.filter((one) => !isRecorded(one)) };
}

const linkText = ({ table, columns, follows }: Pick<Follower, "table" | "columns" | "follows">): string =>
  JSON.stringify([table, columns, follows.table, follows.columns]);

/** As the ledger stores them. USAGE. */
function recordOf({ table, columns, salt, hashes }: SelectedKeys): Pick<NewErasure, "table" | "columns" | "sealed"> {
  if (hashes.length <= MOST_KEYS) return { table, columns, sealed: { salt, hashes } };
  throw new LifeboatError("USAGE", `an entry takes at most ${MOST_KEYS} keys, and these are ${hashes.length} of ${table}`, {
    hint: "record them in several entries",
  });
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

/** Other entries, their hashes, and the salt that all of them were made with. */
async function hashesOf(context: Context, source: string, wanted: readonly string[], signal: AbortSignal) {
  const key = await context.openKey();
  const hashes = new Set<string>();
  const entries: Erasure[] = [];
  let salt: string | undefined;
  for (const id of wanted) {
    const { entry } = await findErasure(context, id, [source], signal);
    entries.push(entry);
    const read = await readErasedKeys(context.repository, source, entry, key, signal);
    if (salt !== undefined && salt !== read.salt)
      throw new LifeboatError("USAGE", "these entries were hashed with different salts: name one at a time");
    salt = read.salt;
    for (const hash of read.hashes) hashes.add(hash);
  }
  return { entries, hashes: [...hashes], salt };
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

/** Takes an entry back, and those that follow it: from now on they erase nothing. They stay in the ledger, with the reason. */
export async function revoke(
  context: Context,
  { erasure, reason }: { readonly erasure: string; readonly reason: string },
  watch: Watch,
): Promise<FoundErasure & { readonly followers: number }> {
  const { source, entry } = await findErasure(context, erasure, context.sources.keys(), watch.signal);
  return runJob(
    context,
    { verb: "erasures-revoke", source, reason },
    watch,
    async (job) => {
      const revoked = { at: context.clock.now().toISOString(), by: me(), reason };
      const taken = await revokeErasure(context.repository, source, entry.id, revoked, job.signal);
      const now = taken.find(({ id }) => id === entry.id);
      if (now === undefined) throw new LifeboatError("ERASURE_UNKNOWN", `erasure ${entry.id} of ${source} is revoked already`);
      return { source, entry: now, followers: taken.length - 1 };
    },
    ({ followers }) => ({ revoked: entry.id, followers }),
  );
}
