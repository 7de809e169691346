// Restore: a recovery target becomes something that people use: a database, chosen tables, a directory or scratch server with the whole
// cluster, a branch or cluster at the provider, or production itself. Which route it comes by is decided in one place, `resolve`.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import { targetInWords } from "../../core/recovery-target.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { tidy } from "../jobs/recover.ts";
import { requireDigest } from "../plan-digest.ts";
import { historyControl } from "../points/look.ts";
import { conclude } from "./conclude.ts";
import { prepareDatabase } from "./database.ts";
import type { ReadyRestore } from "./destination.ts";
import { isDirectory, prepareDirectory } from "./directory.ts";
import { assertNoMergeOptions, mergeInto, planMerge } from "./merge.ts";
import { completePlan, type Destination, type Prepared, refusedPlan } from "./plan.ts";
import { assertNotDoneAlready, preparePlace } from "./provider-place.ts";
import { prepareTables } from "./provider-tables.ts";
import { replayTo } from "./replay.ts";
import { evidencePoint, jobPoint, type Resolved, type Route, recordRoute, resolve, tell } from "./resolve.ts";
import type { Restored, RestoreRequest } from "./restore-request.ts";

/** What a restore would do, and why it would refuse. Nothing is touched. */
export async function planRestore(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Plan> {
  try {
    if (request.merge === true) return await planMerge(context, source, request, watch);
    assertNoMergeOptions(request);
    return (await prepareRestore(context, source, request, watch, true)).plan;
  } catch (error) {
    if (!isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") && !isLifeboatError(error, "NO_RESTORE_POINT")) throw error;
    return refusedPlan(context, "restore", source, request.to, error);
  }
}

/** Restores, proves what was restored, and files evidence. */
export async function restore(context: Context, source: Source, request: RestoreRequest, watch: Watch): Promise<Restored> {
  if (request.merge === true) return await mergeInto(context, source, request, watch);
  assertNoMergeOptions(request);
  if (request.inPlace === true) await assertNotDoneAlready(context, source, watch);
  // Before names are chosen and room is looked for: what a dead job left takes both.
  else if (source.managed === true) await tidy(context, watch);
  return (await prepareRestore(context, source, request, watch, false)).run();
}

async function prepareRestore(
  context: Context,
  source: Source,
  request: RestoreRequest,
  watch: Watch,
  forPlan: boolean,
): Promise<Prepared<Restored>> {
  const { resolved, ready, database } = await destinationOf(context, source, request, watch, forPlan);
  const { nearest, unsigned } = request;
  const asked = { to: targetInWords(resolved.asked), nearest, unsigned, ...ready.request };
  const plan = await completePlan(context, { verb: "restore", source, resolved, ...ready, request: asked }, watch);
  return {
    plan,
    async run() {
      requireDigest(plan.digest, request.planDigest);
      const [refusal] = ready.refusals;
      if (refusal !== undefined) throw refusal;
      return { ...(await carryOut(context, source, resolved, ready, plan, watch)), database };
    },
  };
}

/** What a restore goes into, in the words of its chronology. */
const INTO: Readonly<Record<Destination, string>> = {
  scratch: "scratch",
  preview: "scratch",
  database: "a database",
  directory: "a directory",
  place: "a new place at the provider",
  production: "production itself",
  tables: "tables of the live database",
  merge: "rows of the live database",
};

function carryOut(
  context: Context,
  source: Source,
  resolved: Resolved,
  { into, exclusive, partial, carryOut: carry }: ReadyRestore,
  { estimate: estimated, digest }: Plan,
  watch: Watch,
): Promise<Restored> {
  const { asked, route } = resolved;
  return runJob(
    context,
    { verb: "restore", source: source.name, exclusive, point: jobPoint(route), plan: digest, aside: true },
    watch,
    async (job) => {
      recordRoute(job, resolved, INTO[into]);
      const { reached, target, checks, remarks, erasures, finish, discard, ...extras } = await carry(job);
      try {
        const whole = partial !== true;
        const found = { verb: "restore", job, asked, reached, into, target, checks, remarks, erasures, estimated, whole } as const;
        const finding = await conclude(context, source, found);
        if (extras.kept !== undefined) job.decide(`the state before is kept as ${extras.kept.name}`, "until the restore is accepted");
        return { ...finding, ...extras, ...(await finish?.(finding)) };
      } catch (error) {
        await discard?.();
        throw error;
      }
    },
    ({ evidence, branch, kept, tables, undo }) => ({
      verdict: evidence.verdict,
      point: evidencePoint(route).id,
      ...(branch && { [historyControl(source).place]: branch.name }),
      ...(kept && { kept: kept.name }),
      ...(undo && { undo: undo.job }),
      ...(tables && { restored: tables.join(", ") }),
    }),
  );
}

interface Found {
  readonly resolved: Resolved;
  readonly ready: ReadyRestore;
  readonly database?: string | undefined;
}

/** Where it goes, as far as the route allows. USAGE for options that mean nothing there; RESTORE_TARGET_INVALID, CAPABILITY_MISSING. */
async function destinationOf(context: Context, source: Source, request: RestoreRequest, watch: Watch, forPlan: boolean): Promise<Found> {
  const { into, inPlace, beside, tables, dataOnly } = request;
  if (into !== undefined && isDirectory(into) && (source.managed !== true || into.includes("/"))) {
    assertWholeCluster(source, request, into);
    const route: Route = { kind: "cluster", replay: await replayTo(context, source, request.to, watch.signal) };
    const resolved = { asked: request.to, route, told: tell(request.to, route) };
    return { resolved, ready: await prepareDirectory(context, source, route.replay, { ...request, into }, watch) };
  }
  if (inPlace && into !== undefined) throw new LifeboatError("USAGE", "--in-place and --into exclude each other");
  if (inPlace && (tables !== undefined || dataOnly))
    throw new LifeboatError("USAGE", "--in-place sets everything back: --tables and --data-only have no meaning beside it");
  if (into === undefined && !inPlace && !beside && source.managed !== true) throw intoMissing(source, tables);
  const options = { unsigned: request.unsigned, dataOnly, every: forPlan };
  const resolved = await resolve(context, source, request.to, watch, options);
  const { route, inexact } = resolved;
  if (route.kind === "provider") {
    const { target } = route;
    if (isTablesAtProvider(source, request))
      return { resolved, ready: await prepareTables(context, source, target, { ...request, tables: tables ?? [] }, watch) };
    if (isPlaceAtProvider(source, request)) return { resolved, ready: await preparePlace(context, source, target, request, watch) };
  } else if (inPlace && source.managed === true) throw notInPlace(source, resolved);
  if (inexact !== undefined && request.nearest !== true && into === undefined && !beside) throw inexact;
  if (inPlace) {
    const { url } = await source.provider.connection(watch);
    return { resolved, ready: await prepareDatabase(context, source, { ...request, into: url, replace: true }, resolved, watch, forPlan) };
  }
  const database = into ?? (beside ? await nameBeside(source, watch) : undefined);
  if (database === undefined) throw intoMissing(source, tables);
  const ready = await prepareDatabase(context, source, { ...request, into: database }, resolved, watch, forPlan);
  return { resolved, ready, ...(into === undefined && { database }) };
}

/** A name beside the source's own that no database has: a recovery can be run again. */
async function nameBeside(source: Source, watch: Watch): Promise<string> {
  const own = await source.provider.connection(watch);
  const { database } = await source.engine.inspect(own, watch);
  for (let count = 1; ; count++) {
    const name = `${database}_recovered${count === 1 ? "" : `_${count}`}`;
    const { exists } = await source.engine.stateOf(source.engine.resolveTarget(own, name), watch);
    if (!exists) return name;
  }
}

function intoMissing({ name }: Source, tables: readonly string[] | undefined): LifeboatError {
  const what = tables === undefined ? "where shall it be restored to?" : `which database shall ${tables.join(", ")} go into?`;
  const hint = `add --into NAME, a database on the server of ${name}, or --into URL`;
  return new LifeboatError("USAGE", `--into is missing: ${what}`, { hint });
}

function assertWholeCluster(source: Source, { tables, dataOnly, replace, inPlace }: RestoreRequest, into: string): void {
  if (source.engine.physical === undefined || source.managed === true) {
    const why = source.engine.physical === undefined ? "is not one" : "gives no base backups";
    throw new LifeboatError("RESTORE_TARGET_INVALID", `${into} takes a whole PostgreSQL server, and ${source.name} ${why}`, {
      hint: "give --into the name of a new database, or the URL of a server",
    });
  }
  if (tables === undefined && !dataOnly && !replace && !inPlace) return;
  const message = "--tables, --data-only, --replace and --in-place are for databases: a directory takes the whole cluster";
  throw new LifeboatError("USAGE", message, {
    hint: "give --into the name of a database: the tables come from the same instant",
  });
}

/** Chosen tables that the provider itself restores into the running source. */
const isTablesAtProvider = ({ provider }: Source, { tables, dataOnly, into }: RestoreRequest): boolean =>
  tables !== undefined && dataOnly !== true && into === undefined && provider.history?.tables !== undefined;

/** A place of the provider's own. One that is there is restored over only where the provider can; else it is a database. */
const isPlaceAtProvider = ({ provider }: Source, { tables, dataOnly, into, replace }: RestoreRequest): boolean =>
  tables === undefined && dataOnly !== true && into?.includes("://") !== true && (replace !== true || provider.history?.over !== undefined);

const notInPlace = (source: Source, { told }: Resolved): LifeboatError =>
  new LifeboatError(
    "CAPABILITY_MISSING",
    `${source.name} cannot be set back in place: its provider does not hold that, but ${told.what} does`,
    { hint: `run \`lifeboat list ${source.name}\` to see what it holds, or restore into a new place with --into` },
  );
