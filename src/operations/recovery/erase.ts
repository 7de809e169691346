// The erasure ledger, applied to data that was just restored: after it was compared with what was backed up, and before it is used. Every
// route passes here. What could not be applied is told as a check, so that no verdict is a pass with an erased row possibly in the data.

import type { ErasedKeys, Erasures } from "../../core/erasure.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { shellWord } from "../../core/shell.ts";
import type { Check } from "../../core/verdict.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Dangling, ErasureResult } from "../../ports/erasure.ts";
import type { RowName } from "../../ports/row-history.ts";
import { type Erasure, readErasedKeys, readErasures, saltOf } from "../../repository/erasures.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";

export interface Erased {
  readonly checks: readonly Check[];
  /** Absent: the source has no erasure ledger, or it was not applied. */
  readonly erasures?: Erasures | undefined;
  /** Entries that do not apply to this data, one sentence each. */
  readonly remarks: readonly string[];
  /** ERASURE_BLOCKED for each foreign key by which rows that stay refer to erased ones: where these rows are to be brought into use. */
  readonly blocked?: readonly LifeboatError[] | undefined;
}

export interface EraseOptions {
  /** Only these tables were restored: names in the restored data, or patterns. */
  readonly tables?: readonly string[] | undefined;
  /** As a table is named in the restored data. Default: as at the source. */
  readonly nameOf?: ((table: string) => string) | undefined;
}

const NAME = "erasure ledger";
const NOTHING: Erased = { checks: [], remarks: [] };

export interface OpenLedger {
  readonly entries: readonly Erasure[];
  readonly keys: readonly ErasedKeys[];
  /** Why it is not known to be whole, one sentence each. */
  readonly doubts: readonly string[];
}

/** The entries that act, with their keys. An entry that cannot be opened is a doubt. */
export async function openLedger(context: Context, source: string, signal: AbortSignal): Promise<OpenLedger> {
  const { entries: all, flaws } = await readErasures(context.repository, source, signal);
  const doubts = flaws.map(({ message }) => message);
  const acting = all.filter(({ revoked }) => revoked === undefined);
  if (acting.length === 0) return { entries: [], keys: [], doubts };
  const entries: Erasure[] = [];
  const keys: ErasedKeys[] = [];
  const doubted = (error: unknown, what: string): void => {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    doubts.push(`${what} cannot be opened: ${error.message}`);
  };
  try {
    const key = await context.openKey();
    for (const entry of acting) {
      try {
        keys.push(await readErasedKeys(context.repository, source, entry, key, signal));
        entries.push(entry);
      } catch (error) {
        doubted(error, `erasure ${entry.id}`);
      }
    }
  } catch (error) {
    doubted(error, "the ledger");
  }
  return { entries, keys, doubts };
}

/** The same for what has no verdict that could tell a doubt. INTEGRITY. */
export async function wholeLedger(context: Context, source: string, signal: AbortSignal): Promise<OpenLedger> {
  const ledger = await openLedger(context, source, signal);
  const [doubt] = ledger.doubts;
  if (doubt === undefined) return ledger;
  throw new LifeboatError("INTEGRITY", `the erasure ledger of ${source} is not whole: ${doubt}`, {
    hint: `put it back; if it is lost for good, run \`lifeboat acknowledge ${source} --reason lost\``,
  });
}

/**
 * Refuses to show the past of a row whose key the ledger names: USAGE, without the key. The live database says how the key is written; where
 * it cannot be asked, nothing is refused.
 */
export async function refuseErased(context: Context, source: Source, { table, key }: RowName, watch: Watch): Promise<void> {
  const { erasure } = source.engine;
  const { keys } = await openLedger(context, source.name, watch.signal);
  if (keys.length === 0 || erasure === undefined) return;
  const pairs = key.map((one) => [one.slice(0, one.indexOf("=")), one.slice(one.indexOf("=") + 1)] as const);
  const asked =
    key.length > 1 ? { columns: pairs.map(([column]) => column), keys: [pairs.map(([, value]) => value)] } : { keys: [[...key]] };
  const salt = saltOf(context.repository, source.name);
  const work = { signal: watch.signal, progress: watch.progress };
  const selected = await source.provider
    .connection(work)
    .then((live) => erasure.select(live, { table, ...asked, salt, ...work }))
    .catch((error: unknown) => {
      watch.signal.throwIfAborted();
      if (!isLifeboatError(error) || error.code === "BUG") throw error;
      return undefined;
    });
  const isErased = keys.some(
    (one) =>
      one.table === selected?.table &&
      one.columns.join("\0") === selected.columns.join("\0") &&
      one.hashes.some((hash) => selected.hashes.includes(hash)),
  );
  if (isErased)
    throw new LifeboatError("USAGE", `this row of ${table} is in the erasure ledger: its past is not shown`, {
      hint: `run \`lifeboat erasures ${source.name}\` to see why`,
    });
}

/** Erases what the ledger names. ERASURE_BLOCKED with the command that records what is in the way. */
export async function eraseAgain(
  context: Context,
  source: Source,
  connection: () => Connection,
  job: Job,
  watch: Watch,
  { tables, nameOf = (table) => table }: EraseOptions = {},
): Promise<Erased> {
  const { entries, keys, doubts } = await openLedger(context, source.name, job.signal);
  const unsure = doubts.map(notApplied);
  if (entries.length === 0) return { ...NOTHING, checks: unsure };
  const { erasure } = source.engine;
  if (erasure === undefined) return { ...NOTHING, checks: [...unsure, notApplied("its engine cannot erase rows")] };
  const target = targetOf(connection);
  if (isLifeboatError(target)) return { ...NOTHING, checks: [...unsure, notApplied(target.message)] };
  const named = keys.map(({ table, follows, ...one }) => ({
    ...one,
    table: nameOf(table),
    ...(follows && { follows: { ...follows, table: nameOf(follows.table) } }),
  }));
  const work = { signal: job.signal, progress: watch.progress };
  const result = await job
    .step("erase", () => erasure.erase(target, named, { ...work, tables }))
    .catch((error: unknown) => {
      throw explained(error, source, entries);
    });
  return erasedBy(source, entries, result, unsure);
}

/** Or why there is none: a cluster of that instant may have no database of the source. */
function targetOf(connection: () => Connection): Connection | LifeboatError {
  try {
    return connection();
  } catch (error) {
    if (isLifeboatError(error, "RESTORE_TARGET_INVALID")) return error;
    throw error;
  }
}

/** The same where the data is in use already: what went wrong is a failed check. */
export async function eraseInUse(...given: Parameters<typeof eraseAgain>): Promise<Erased> {
  const job = given[3];
  try {
    return await eraseAgain(...given);
  } catch (error) {
    if (job.signal.aborted || !isLifeboatError(error) || error.code === "BUG") throw error;
    return {
      ...NOTHING,
      checks: [{ name: NAME, kind: "integrity", outcome: "fail", message: `${error.code}: ${error.message}; ${error.hint}` }],
    };
  }
}

function erasedBy(source: Source, entries: readonly Erasure[], result: ErasureResult, unsure: readonly Check[]): Erased {
  const { row } = wordsOf(source.engine.name);
  const rows = result.tables.reduce((sum, one) => sum + one.rows, 0);
  const where = result.tables.map(({ table }) => table).join(", ");
  const applied = `${counted(entries.length, "entry").replace("entrys", "entries")} applied, ${counted(rows, row)} erased`;
  const check: Check = {
    name: NAME,
    kind: "integrity",
    outcome: "pass",
    message: where === "" ? applied : `${applied} from ${where}`,
    rows,
  };
  const stale = result.stale.map(
    (object): Check => ({
      name: NAME,
      kind: "schema",
      outcome: "inconclusive",
      message: `${object} was computed from erased ${row}s: refresh it`,
    }),
  );
  const dangling = result.dangling.map(({ table, parent, constraint, rows: left }): Check => {
    const command = commandFor(source, entries, parent);
    const next = command === undefined ? "" : `; to erase them too: ${command}`;
    const message = `${counted(left, row)} of ${table} ${left === 1 ? "refers" : "refer"} to erased rows of ${parent}: ${constraint} is not valid for ${left === 1 ? "it" : "them"}${next}`;
    return { name: NAME, kind: "schema", outcome: "inconclusive", message };
  });
  return {
    checks: [check, ...unsure, ...stale, ...dangling],
    erasures: { entries: entries.length, rows, tables: result.tables },
    blocked: result.dangling.map((one) => blockedBy(one, source, entries)),
    remarks: result.passedOver.map((why) => `the erasure ledger does not apply in part: ${why}`),
  };
}

/** Of a stored result that may still show erased rows, or of a foreign key. It says nothing of the tables' rows. */
export const isStale = ({ name, kind }: Check): boolean => name === NAME && kind === "schema";

const notApplied = (why: string): Check => ({
  name: NAME,
  kind: "integrity",
  outcome: "inconclusive",
  message: `restored without the erasure ledger, or without a part of it: ${why}`,
});

function blockedBy({ table, constraint, ...more }: Dangling, source: Pick<Source, "name">, entries: readonly Erasure[]): LifeboatError {
  const message = `rows of ${table} refer to a row in the erasure ledger (${constraint})`;
  const error = new LifeboatError("ERASURE_BLOCKED", message, { details: { table, columns: more.columns, parent: more.parent } });
  return explained(error, source, entries);
}

/** With the command that records the rows in the way. */
export function explained<E>(error: E, source: Pick<Source, "name">, entries: readonly Erasure[]): E | LifeboatError {
  if (!isLifeboatError(error, "ERASURE_BLOCKED")) return error;
  const command = commandFor(source, entries, String(error.details.parent));
  if (command === undefined) return error;
  return new LifeboatError("ERASURE_BLOCKED", error.message, {
    details: error.details,
    hint: `record them too, then repeat the command: ${command}`,
  });
}

/** What records rows that refer to erased ones of the table: the keys are those of the entries, so none is typed or printed. */
export function commandFor({ name }: Pick<Source, "name">, entries: readonly Erasure[], parent: string): string | undefined {
  const ofParent = new Set(entries.filter(({ table }) => table === parent).map(({ id, follows }) => follows?.id ?? id));
  const [first, ...others] = entries.filter(({ id }) => ofParent.has(id));
  if (first === undefined) return undefined;
  const { id, table, columns } = first;
  const words = [`lifeboat forget ${name} --table ${shellWord(table)}`, ...columns.map((column) => `--column ${shellWord(column)}`)];
  const command = `\`${words.join(" ")} --keys-of ${id} --follow --reason 'rows that refer to it'\``;
  return others.length === 0 ? command : `${command} (and the same for ${others.map((one) => one.id).join(", ")})`;
}
