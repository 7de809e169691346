// A restore into a database: what is there, what the data comes from, what would be done, and why it would be refused.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { beforeName } from "../../core/names.ts";
import { type PlanCode, type PlanStep, stepInWords } from "../../core/plan.ts";
import { wordsOf } from "../../core/words.ts";
import type { FitOptions } from "../../ports/engine.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import { archiveOf, contentsOf } from "../backup/contents.ts";
import type { Context, Source, Watch } from "../context.ts";
import { explained, type OpenLedger, openLedger } from "./erase.ts";
import { isProduction, swapSteps } from "./own-database.ts";
import { NOTHING, type PlanPart, routeParts } from "./plan.ts";
import type { Resolved, Route } from "./resolve.ts";
import type { RolesRequest } from "./roles.ts";

export interface DatabaseRequest extends RolesRequest {
  /** A database name on the source's server, or a URL. */
  readonly into: string;
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  /** Take the place of what is there. */
  readonly replace?: boolean | undefined;
  /** What the backup holds may run with a superuser's rights, where the target's user has them. */
  readonly asSuperuser?: boolean | undefined;
  /** The source's name, typed to confirm. */
  readonly yes?: string | undefined;
  /** The nearest instant before the target that can be reached will do. */
  readonly nearest?: boolean | undefined;
}

/** Where the data goes, as it was found. */
export interface DatabaseState {
  readonly route: Route;
  readonly place: RestoreTarget;
  readonly exists: boolean;
  readonly occupants: readonly string[];
  /** Asked for, or all that the point holds. */
  readonly dataOnly: boolean;
  /** Rows go into the existing database: with data-only, and with chosen tables of an existing database. */
  readonly inPlace: boolean;
  /** Chosen tables, or rows alone, replace those that are there, by way of a database of their own. */
  readonly only: boolean;
  /** It takes the place of the source's own database, which an application uses. */
  readonly production: boolean;
  /** Why what the point holds cannot go there at all. */
  readonly misfit?: LifeboatError | undefined;
  /** Why that is not known yet. */
  readonly unread?: LifeboatError | undefined;
}

/** What it would do, step by step. */
export function databaseParts(
  context: Context,
  source: Source,
  request: DatabaseRequest,
  state: DatabaseState,
  roles: PlanPart,
  unread = state.unread,
): readonly PlanPart[] {
  const { route, place, exists, occupants, dataOnly, inPlace } = state;
  const { label } = place.connection;
  const { before, after } = routeParts(context, source, route);
  const sizeBytes = before.timed.find(({ name }) => name === "fetch")?.sizeBytes;
  const rights = request.asSuperuser === true ? "; its code runs with the target's user's rights (--as-superuser)" : "";
  const subject = inPlace && !dataOnly ? chosen(source, request.tables ?? []) : "the rows";
  const contents: PlanStep[] =
    unread === undefined
      ? []
      : [{ action: "read-contents", subject: "the backup", object: label, effect: "none", reason: `not readable now: ${unread.message}` }];
  const load: PlanStep = inPlace
    ? { action: "load", subject, object: label, effect: "change", reason: (dataOnly ? "data only" : "chosen tables only") + rights }
    : { action: "create-database", subject: place.server.label, effect: "create", reason: `it takes its name only when complete${rights}` };
  const proof: PlanStep = {
    action: "prove",
    subject: tableOf(source),
    effect: "none",
    reason: "a restore counts when it is proven",
  };
  const naming: PlanStep[] = inPlace
    ? []
    : [
        exists
          ? replacement(source, request, state, context.clock.now())
          : { action: "name", subject: place.database, effect: "create", reason: "--into" },
      ];
  const around = state.production ? swapSteps(source) : { before: [], after: [] };
  const copied = route.kind === "copy" ? NOTHING : copyPart(source, route);
  return [
    { steps: contents, timed: [] },
    before,
    copied,
    roles,
    {
      steps: [...undoStep(source, request, state), ...removalStep(source, request, state), load],
      timed: [...(route.kind === "provider" ? [] : [{ name: "create" }]), { name: "load", sizeBytes }, { name: "verify", sizeBytes }],
      facts: { exists, occupants },
    },
    after,
    { steps: [proof, ...around.before, ...naming, ...around.after], timed: inPlace ? [] : [{ name: "name" }] },
  ];
}

function copyPart(source: Source, route: Exclude<Route, { kind: "copy" }>): PlanPart {
  const subject = route.kind === "provider" ? `the scratch ${source.provider.history?.place ?? "branch"}` : "the scratch cluster";
  return {
    steps: [
      { action: "copy-out", subject, effect: "none", reason: "what is loaded is compared with it" },
      { action: "remove-scratch", subject, effect: "none", reason: "its data was copied" },
    ],
    timed: [{ name: "copy" }, { name: "clean up" }],
  };
}

function replacement(source: Source, request: DatabaseRequest, state: DatabaseState, at: Date): PlanStep {
  const { place, occupants } = state;
  const subject = replaced(source, request, state);
  if (occupants.length === 0) return { action: "replace", subject, effect: "remove", reason: "it is empty" };
  const kept = `what it holds now is kept as ${beforeName(place.database, at)} until the restore is accepted`;
  const why = state.production ? "the connection string stays the same, so no cut-over is required" : "--replace";
  return { action: "replace", subject, effect: "change", reason: `${why}; ${kept}` };
}

/** `db.example.net/shop`, or what of it: `collection users of db.example.net/shop`. */
function replaced(source: Source, { tables }: DatabaseRequest, { place, only, dataOnly }: DatabaseState): string {
  const { label } = place.connection;
  if (!only) return label;
  const what = tables === undefined ? `each ${tableOf(source)} that the restore point holds,` : chosen(source, tables);
  return `${dataOnly ? "the rows of " : ""}${what} of ${label}`;
}

/** What an undo needs is stored before tables in use are changed. */
function undoStep(source: Source, { tables }: DatabaseRequest, { inPlace, dataOnly, occupants }: DatabaseState): PlanStep[] {
  if (!inPlace || (occupants.length === 0 && !dataOnly)) return [];
  const subject = tables === undefined ? `each ${tableOf(source)} that the restore point holds rows of` : chosen(source, tables);
  const reason = "`lifeboat undo` brings it back; other sessions can read meanwhile, and wait with their writes";
  return [{ action: "store-undo", subject: `an undo set of ${subject} as they are now, sealed`, effect: "none", reason }];
}

/** What is removed before rows are loaded into an existing database. */
function removalStep(source: Source, { tables, replace }: DatabaseRequest, { place, inPlace, dataOnly }: DatabaseState): PlanStep[] {
  if (!inPlace || replace !== true) return [];
  const subject = tables === undefined ? `every ${tableOf(source)} that the restore point holds` : chosen(source, tables);
  const action = dataOnly ? "remove-rows" : "drop-tables";
  return [{ action, subject, object: place.connection.label, effect: "remove", reason: "--replace" }];
}

const tableOf = ({ engine }: Source): string => wordsOf(engine.name).table;
const chosen = (source: Source, tables: readonly string[]): string =>
  `${tableOf(source)}${tables.length === 1 ? "" : "s"} ${tables.join(", ")}`;

const NAMED = 3;

/** Code of the backup that a load runs, by kind. Of rows alone: what the tables that are there hold, which no backup tells. */
export async function codeOf(
  context: Context,
  source: Source,
  { route, dataOnly }: DatabaseState,
  { signal }: Watch,
): Promise<{ readonly code: readonly PlanCode[]; readonly unread?: LifeboatError }> {
  // What was not recovered yet cannot be read: a load finds out, and runs it as a role of its own.
  if (dataOnly || route.kind !== "copy") return { code: [] };
  const names = new Map<string, string[]>();
  try {
    for (const entry of await contentsOf(context, source, route.copy.entry, signal)) {
      const name = entry.schema === "" ? entry.name : `${entry.schema}.${entry.name}`;
      for (const kind of entry.code ?? []) {
        const list = names.get(kind) ?? [];
        list.push(name);
        names.set(kind, list);
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "BUG") throw error;
    return { code: [], unread: error };
  }
  return { code: [...names].map(([kind, all]) => ({ kind, count: all.length, names: all.slice(0, NAMED) })) };
}

/** Looks at the destination. RESTORE_TARGET_INVALID for rows without a database that has their definitions. */
export async function stateOf(
  context: Context,
  source: Source,
  request: DatabaseRequest,
  { route }: Resolved,
  watch: Watch,
): Promise<DatabaseState> {
  // An address needs no source: one that is lost, and its provider with it, is restored elsewhere.
  const own = request.into.includes("://") ? undefined : await source.provider.connection({ signal: watch.signal });
  const place = source.engine.resolveTarget(own, request.into);
  const { exists, occupants } = await source.engine.stateOf(place, { signal: watch.signal });
  const dataOnly = request.dataOnly === true || (route.kind === "copy" && route.copy.entry.point.kind === "data");
  const partial = dataOnly || request.tables !== undefined;
  if (dataOnly && !exists) {
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `${place.connection.label} does not exist, and data without definitions needs a database that has them`,
      {
        hint: "restore a schema backup into it first, or restore without --data-only",
      },
    );
  }
  const only = partial && exists && request.replace === true && !source.engine.renamesDatabases;
  const inPlace = partial && exists && !only;
  // Rows go into tables in use: what cannot be opened of the ledger is told by the check of the erasure itself.
  const ledger = inPlace && dataOnly ? await openLedger(context, source.name, watch.signal) : undefined;
  const fitting = {
    tables: request.tables,
    dataOnly,
    replace: request.replace,
    asSuperuser: request.asSuperuser,
    existing: inPlace,
    erased: ledger?.keys,
  };
  const fit = await fitOf(context, source, route, place, fitting, ledger?.entries ?? [], watch);
  const production = !partial && (await isProduction(source, place, watch));
  const state = { route, place, exists, occupants, dataOnly, inPlace, only, production, ...fit };
  const replaces = request.replace === true && occupants.length > 0 && !inPlace;
  return replaces && fit.misfit === undefined ? { ...state, ...(await irreplaceable(context, source, place, watch)) } : state;
}

/** Why what is there could not be kept. */
async function irreplaceable(
  { clock }: Context,
  { engine }: Source,
  place: RestoreTarget,
  { signal }: Watch,
): Promise<Pick<DatabaseState, "misfit">> {
  try {
    await engine.assertReplaceable?.(place, beforeName(place.database, clock.now()), { signal });
    return {};
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || !(MISFITS.has(error.code) || error.code === "CAPABILITY_MISSING")) throw error;
    return { misfit: error };
  }
}

const MISFITS: ReadonlySet<string> = new Set(["RESTORE_TARGET_INVALID", "TABLE_UNKNOWN", "USAGE", "LOAD_FAILED", "ERASURE_BLOCKED"]);

/** Looks only where an engine may say no, and only into the beginning of a backup. What cannot be read is met again by the restore. */
async function fitOf(
  context: Context,
  source: Source,
  route: Route,
  place: RestoreTarget,
  options: FitOptions,
  entries: OpenLedger["entries"],
  { signal }: Watch,
): Promise<Pick<DatabaseState, "misfit" | "unread">> {
  const { engine } = source;
  try {
    const entry = route.kind === "copy" ? route.copy.entry : undefined;
    const archive = entry && engine.assertFits && (await archiveOf(context, entry, signal));
    const chosen = entry?.point.kind === "tables";
    await engine.assertFits?.(place, archive, { ...options, chosen, signal });
    return {};
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error)) throw error;
    return MISFITS.has(error.code) ? { misfit: explained(error, source, entries) } : { unread: error };
  }
}

/** Why it would not be done, the weightiest first. */
export function refusalsOf(source: Source, request: DatabaseRequest, { inexact }: Resolved, state: DatabaseState): LifeboatError[] {
  return [request.nearest ? undefined : inexact, refusalOf(source, request, state)].filter((one) => one !== undefined);
}

function refusalOf(source: Source, request: DatabaseRequest, state: DatabaseState): LifeboatError | undefined {
  const { place, occupants, dataOnly, misfit } = state;
  if (misfit !== undefined) return misfit;
  if (occupants.length === 0 || (dataOnly && !request.replace)) return undefined;
  const shown = occupants.slice(0, 3).join(", ") + (occupants.length > 3 ? ` and ${occupants.length - 3} more` : "");
  if (!request.replace) {
    const isPart = dataOnly || request.tables !== undefined;
    const effect = !isPart
      ? "take the place of this database"
      : `replace ${request.tables === undefined ? "the rows" : chosen(source, request.tables)} and nothing else in it`;
    return new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${place.connection.label} is not empty: it holds ${shown}`, {
      hint: `restore into a new name, or add --replace --yes ${source.name} to ${effect}`,
    });
  }
  if (request.yes === source.name) return undefined;
  const [removal] = removalStep(source, request, state);
  const act = removal === undefined ? `replace ${replaced(source, request, state)}` : stepInWords(removal);
  const loss = removal === undefined && !state.only ? "and would be replaced" : `and the restore would ${act}`;
  return new LifeboatError("CONFIRMATION_NEEDED", `${place.connection.label} holds ${shown}, ${loss}`, {
    hint: `repeat the command with --yes ${source.name} when you are sure`,
  });
}
