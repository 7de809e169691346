// What a restore into a database would do, and why it would refuse: which route the data comes by, and where it goes.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { beforeName } from "../../core/names.ts";
import type { Plan, PlanCode, PlanStep } from "../../core/plan.ts";
import { wordsOf } from "../../core/words.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import { contentsOf } from "../backup/contents.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl } from "../points/look.ts";
import { type Resolved, type Route, toldIn } from "./resolve.ts";

export interface DatabaseRequest {
  /** A database name on the source's server, or a URL. */
  readonly into: string;
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  /** Take the place of what is there. */
  readonly replace?: boolean | undefined;
  /** What the backup holds may run with a superuser's rights, where the target's user has them. */
  readonly asSuperuser?: boolean | undefined;
  /** The source's name, typed by somebody who is sure. */
  readonly yes?: string | undefined;
  /** The nearest instant before the target that can be reached will do. */
  readonly nearest?: boolean | undefined;
}

export interface Course {
  readonly route: Route;
  readonly place: RestoreTarget;
  readonly exists: boolean;
  readonly occupants: readonly string[];
  /** Asked for, or all that the point holds. */
  readonly dataOnly: boolean;
  /** Rows go into the database as it stands: asked for by data-only and by chosen tables of an existing database. */
  readonly inPlace: boolean;
  /** Chosen tables, or rows alone, take the place of those that are there, by way of a database of their own. */
  readonly only: boolean;
  /** Why what the point holds cannot go there at all. */
  readonly misfit?: LifeboatError | undefined;
  /** Why that is not known yet. */
  readonly unread?: LifeboatError | undefined;
}

/** What it would do, and why it would refuse. Nothing is touched. */
export async function planDatabaseRestore(
  context: Context,
  source: Source,
  request: DatabaseRequest,
  resolved: Resolved,
  watch: Watch,
): Promise<Plan> {
  const course = await plot(context, source, request, resolved, watch);
  const { route, place, exists, dataOnly, inPlace } = course;
  const { code, unread = course.unread } = await codeOf(context, source, course, watch);
  const rights = request.asSuperuser === true ? "; its code runs with the target's user's rights (--as-superuser)" : "";
  const steps: PlanStep[] = [
    ...supplySteps(source, route),
    ...removalStep(source, request, course),
    inPlace
      ? { what: `load into ${place.connection.label}`, effect: "change", reason: (dataOnly ? "data only" : "chosen tables only") + rights }
      : {
          what: `create a database on ${place.server.label} and load into it`,
          effect: "create",
          reason: `it takes its name only when complete${rights}`,
        },
    ...replayStep(route),
    { what: "compare fingerprints, ask the probes", effect: "none", reason: "a restore counts when it is proven" },
  ];
  if (exists && !inPlace) steps.push(replacement(source, request, course, context.clock.now()));
  else if (!inPlace) steps.push({ what: `name it ${place.database}`, effect: "create", reason: "--into" });
  if (unread !== undefined) {
    const reason = `its contents cannot be read now: ${unread.message}`;
    steps.unshift({ what: `find out what it holds, and whether it fits ${place.connection.label}`, effect: "none", reason });
  }
  const refusals = refusalsOf(source, request, resolved, course).map(({ code, message }) => ({ code, message }));
  return { verb: "restore", source: source.name, ...toldIn(context, resolved), steps, refusals, ...(code.length > 0 && { code }) };
}

function replacement(source: Source, request: DatabaseRequest, course: Course, at: Date): PlanStep {
  const { place, occupants } = course;
  const what = replaced(source, request, course);
  if (occupants.length === 0) return { what: `replace ${what}`, effect: "remove", reason: "it is empty" };
  const kept = `what it holds now is kept as ${beforeName(place.database, at)} until the restore is accepted`;
  return { what: `replace ${what}`, effect: "change", reason: `--replace; ${kept}` };
}

/** `db.example.net/shop`, or what of it: `collection users of db.example.net/shop`. */
function replaced(source: Source, { tables }: DatabaseRequest, { place, only, dataOnly }: Course): string {
  const { label } = place.connection;
  if (!only) return label;
  const what = tables === undefined ? `each ${tableOf(source)} that the restore point holds,` : chosen(source, tables);
  return `${dataOnly ? "the rows of " : ""}${what} of ${label}`;
}

function supplySteps(source: Source, route: Route): PlanStep[] {
  if (route.kind === "copy") {
    const { point } = route.copy.entry;
    const reason = `it holds the data of ${point.time.toISOString()}`;
    return [{ what: `fetch and prove ${point.name} (${point.id})`, effect: "none", reason }];
  }
  const copied: PlanStep = {
    what: "copy the database out of it, and remove it",
    effect: "none",
    reason: "what is loaded is compared with it",
  };
  if (route.kind === "provider") {
    const { place } = historyControl(source);
    const { point } = route.past;
    return [
      { what: `create a scratch ${place} from ${point.name}`, effect: "create", reason: `it holds the data of ${point.snapshotAt}` },
      copied,
    ];
  }
  const { base, chain, expectedEnd, stopsAt } = route.course;
  const bytes = [...base.manifest.parts, ...chain].reduce((sum, { stored }) => sum + stored.sizeBytes, 0);
  return [
    {
      what: `recover base backup ${base.point.name} (${base.point.id}) and ${chain.length} log segments, ${bytes} bytes, into a scratch cluster on this machine`,
      effect: "create",
      reason: stopsAt === undefined ? `to ${expectedEnd}, the end of what is proven` : `to ${expectedEnd}; the next record is ${stopsAt}`,
    },
    copied,
  ];
}

/** What goes before rows are loaded into a database as it stands. */
function removalStep(source: Source, { tables, replace }: DatabaseRequest, { place, inPlace, dataOnly }: Course): PlanStep[] {
  if (!inPlace || replace !== true) return [];
  const what = tables === undefined ? `every ${tableOf(source)} that the restore point holds` : chosen(source, tables);
  const act = dataOnly ? `remove all present rows of ${what} in` : `drop ${what}, with all present rows, from`;
  return [{ what: `${act} ${place.connection.label}`, effect: "remove", reason: "--replace" }];
}

const tableOf = ({ engine }: Source): string => wordsOf(engine.name).table;
const chosen = (source: Source, tables: readonly string[]): string =>
  `${tableOf(source)}${tables.length === 1 ? "" : "s"} ${tables.join(", ")}`;

const NAMED = 3;

/** Code of the backup that a load runs, by kind. Of rows alone: what the tables that are there hold, which no backup tells. */
async function codeOf(
  context: Context,
  source: Source,
  { route, dataOnly }: Course,
  { signal }: Watch,
): Promise<{ readonly code: readonly PlanCode[]; readonly unread?: LifeboatError }> {
  // What was not recovered yet can be asked by nobody: a load finds out, and runs it as the role of its own.
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

function replayStep(route: Route): PlanStep[] {
  if (route.kind !== "copy" || route.copy.course === undefined) return [];
  const { chain, expectedEnd, stopsAt } = route.copy.course;
  const reason = stopsAt === undefined ? "to the end of what is proven" : `the next entry is ${stopsAt}`;
  return [{ what: `replay ${chain.length} log segments onto it, to ${expectedEnd}`, effect: "create", reason }];
}

export async function plot(context: Context, source: Source, request: DatabaseRequest, { route }: Resolved, watch: Watch): Promise<Course> {
  // An address needs no source: who lost it, and its provider with it, restores elsewhere.
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
  const fit = await fitOf(context, source, route, place, { tables: request.tables, existing: inPlace }, watch);
  const course = { route, place, exists, occupants, dataOnly, inPlace, only, ...fit };
  const replaces = request.replace === true && occupants.length > 0 && !inPlace;
  return replaces && fit.misfit === undefined ? { ...course, ...(await irreplaceable(context, source, place, watch)) } : course;
}

/** Why what is there could not be kept. */
async function irreplaceable(
  { clock }: Context,
  { engine }: Source,
  place: RestoreTarget,
  { signal }: Watch,
): Promise<Pick<Course, "misfit">> {
  try {
    await engine.assertReplaceable?.(place, beforeName(place.database, clock.now()), { signal });
    return {};
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error) || !(MISFITS.has(error.code) || error.code === "CAPABILITY_MISSING")) throw error;
    return { misfit: error };
  }
}

const MISFITS: ReadonlySet<string> = new Set(["RESTORE_TARGET_INVALID", "TABLE_UNKNOWN"]);

/** Looks only where an engine may say no, and only into the beginning of the backup. What cannot be read is met again by the restore. */
async function fitOf(
  context: Context,
  source: Source,
  route: Route,
  place: RestoreTarget,
  options: { readonly tables?: readonly string[] | undefined; readonly existing: boolean },
  { signal }: Watch,
): Promise<Pick<Course, "misfit" | "unread">> {
  const { engine } = source;
  if (engine.assertFits === undefined || route.kind !== "copy") return {};
  try {
    engine.assertFits(place, await contentsOf(context, source, route.copy.entry, signal), options);
    return {};
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error)) throw error;
    return MISFITS.has(error.code) ? { misfit: error } : { unread: error };
  }
}

/** Why it would not be done, the weightiest first. */
export function refusalsOf(source: Source, request: DatabaseRequest, { inexact }: Resolved, course: Course): LifeboatError[] {
  return [request.nearest ? undefined : inexact, refusalOf(source, request, course)].filter((one) => one !== undefined);
}

function refusalOf(source: Source, request: DatabaseRequest, course: Course): LifeboatError | undefined {
  const { place, occupants, dataOnly, misfit } = course;
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
  const [removal] = removalStep(source, request, course);
  const act = removal?.what ?? `replace ${replaced(source, request, course)}`;
  const loss = removal === undefined && !course.only ? "and would be replaced" : `and the restore would ${act}`;
  return new LifeboatError("CONFIRMATION_NEEDED", `${place.connection.label} holds ${shown}, ${loss}`, {
    hint: `repeat the command with --yes ${source.name} when you are sure`,
  });
}
