// A restore into a database: what a route reaches becomes one that people use. It is filled under a name of its own and takes the wanted
// name only when it is complete and checked: no failure leaves half a database, or harms the one it replaces.
import { isLifeboatError } from "../../core/errors.ts";
import { judge } from "../../core/verdict.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { tidy } from "../jobs/recover.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { bringTo } from "./copy.ts";
import { codeOf, type DatabaseRequest, type DatabaseState, databaseParts, refusalsOf, stateOf } from "./database-plan.ts";
import type { Made, ReadyRestore } from "./destination.ts";
import { eraseAgain, eraseInUse, explained, openLedger } from "./erase.ts";
import { beginDatabase, finish, setAside, takeName } from "./fresh.ts";
import { type Arrival, bringBack, type LoadRequest } from "./load.ts";
import { NOTHING } from "./plan.ts";
import { replacedTables } from "./replaced-tables.ts";
import type { Resolved, Route } from "./resolve.ts";
import { copySupply } from "./restored-copy.ts";
import { rolesPart, rolesWanted } from "./roles.ts";
import { swap } from "./swap.ts";
import { withUndoSet } from "./undo-record.ts";

/** A database that holds anything is refused before a byte is read, unless it is to be replaced. */
export async function prepareDatabase(
  context: Context,
  source: Source,
  request: DatabaseRequest,
  resolved: Resolved,
  watch: Watch,
  forPlan: boolean,
): Promise<ReadyRestore> {
  if (!forPlan) await clearLeftovers(context, source, request, watch);
  const state = await stateOf(context, source, request, resolved, watch);
  const { code, unread = state.unread } = forPlan ? await codeOf(context, source, state, watch) : { code: [] };
  const roles = forPlan ? await rolesPart(context, source, request, state, watch) : NOTHING;
  const { into, tables, dataOnly, replace, asSuperuser } = request;
  const { place } = state;
  return {
    into: "database",
    partial: tables !== undefined || dataOnly === true,
    request: {
      into: into.includes("://") ? place.connection.label : into,
      tables,
      dataOnly,
      replace,
      asSuperuser,
      roles: rolesWanted(request),
    },
    parts: databaseParts(context, source, request, state, roles, unread),
    refusals: refusalsOf(source, request, resolved, state),
    code,
    carryOut(job) {
      context.servers.set(place.server.label, place.server);
      return carryOut(context, source, request, state, job, watch);
    },
  };
}

/** An earlier restore to the same server may have crashed: it can be cleaned up only now that the address is known again. */
async function clearLeftovers(context: Context, { engine }: Source, { into }: DatabaseRequest, watch: Watch): Promise<void> {
  if (!into.includes("://")) return;
  const { server } = engine.resolveTarget(undefined, into);
  context.servers.set(server.label, server);
  await tidy(context, watch);
}

async function carryOut(
  context: Context,
  source: Source,
  request: DatabaseRequest,
  state: DatabaseState,
  job: Job,
  watch: Watch,
): Promise<Made> {
  const { tables, asSuperuser, replace } = request;
  const { route, place, dataOnly, inPlace, only, occupants } = state;
  const loader = source.engine.dropLoader === undefined ? undefined : RESOURCE.loader(source.name, place.server.label);
  // Before the database: a clean-up goes backwards, and a role can be dropped when what it owned is gone.
  if (loader !== undefined) await job.declare(loader);
  const direct = !source.engine.renamesDatabases && occupants.length === 0;
  const fresh = inPlace ? undefined : direct ? place.database : `lifeboat_${job.id}`;
  const { label } = place.connection;
  // What cannot be opened is told by the check of the erasure itself.
  const ledger = inPlace ? await openLedger(context, source.name, job.signal) : undefined;
  const load: LoadRequest = {
    tables,
    dataOnly,
    definitionsOf: only && dataOnly ? place.connection : undefined,
    asSuperuser,
    roles: rolesWanted(request),
    replace: inPlace && replace,
    erased: ledger?.keys,
    begin: async (archiveFile) => ({
      connection: fresh === undefined ? place.connection : await beginDatabase(source, place, fresh, archiveFile, tables, job),
      ownServer: false,
    }),
  };
  const { arrival, reached, undo } = await (inPlace
    ? withUndoSet(job, source.name, async (file) => {
        const replacing = { verb: "restore", target: label, into: request.into, rowsOnly: dataOnly };
        const replaced = replacedTables(context, source, replacing, job, file, watch);
        return { ...(await bring(context, source, route, job, watch, { ...load, replaced })), undo: replaced.undo };
      })
    : bring(context, source, route, job, watch, load).then((brought) => ({ ...brought, undo: undefined }))
  ).catch(async (error: unknown) => {
    // What is in there was not made by this job: no clean-up may touch it.
    if (fresh !== undefined && isLifeboatError(error, "RESTORE_TARGET_NOT_EMPTY")) {
      if (fresh === place.database && fresh !== "") await finish(source, place, fresh, job);
      await job.withdraw(RESOURCE.database(source.name, place.server.label, fresh));
    }
    throw explained(error, source, ledger?.entries ?? []);
  });
  if (loader !== undefined) await job.withdraw(loader);
  // Rows that went into tables in use are erased there.
  const apply = fresh === undefined ? eraseInUse : eraseAgain;
  const erased = await apply(context, source, () => arrival.connection, job, watch, { tables });
  const checksSoFar = [...arrival.checks, ...erased.checks];
  const remarks = [...arrival.notRestored.map(({ object, reason }) => `${object} was not restored: ${reason}`), ...erased.remarks];
  if (asSuperuser === true) remarks.push("what the backup holds was allowed to run with the rights of the target's user (--as-superuser)");
  const made = { reached, checks: checksSoFar, warnings: [], erasures: erased.erasures };
  if (fresh === undefined) return { ...made, target: label, remarks, connection: place.connection, undo };
  const resource = RESOURCE.database(source.name, place.server.label, fresh);
  if (judge(arrival.checks).verdict !== "fail") {
    const swapped = state.production
      ? await swap(context, source, state, fresh, job, watch)
      : { kept: await takeName(source, state, fresh, job, context.clock.now()), checks: [], remarks: [] };
    await job.withdraw(resource);
    const kept = swapped.kept === undefined ? undefined : { id: swapped.kept, name: swapped.kept };
    const all = { checks: [...checksSoFar, ...swapped.checks], remarks: [...remarks, ...swapped.remarks] };
    return { ...made, ...all, target: label, connection: place.connection, kept };
  }
  const aside = await job.step("set aside", () => setAside(source, place, fresh, job));
  await job.withdraw(resource);
  const before = occupants.length > 0 ? "was left as it is" : "was not made";
  remarks.push(`${place.database || "what was asked for"} ${before}; what was restored is ${aside.words}, to be looked at or dropped`);
  return { ...made, target: aside.label, remarks };
}

/** What arrived, and the route as far as it was followed: a backup whose log was not replayed is that backup alone. */
async function bring(
  context: Context,
  source: Source,
  route: Route,
  job: Job,
  watch: Watch,
  options: LoadRequest,
): Promise<{ readonly arrival: Arrival; readonly reached: Route }> {
  if (route.kind !== "copy")
    return {
      arrival: await bringBack(context, source, copySupply(context, source, route, options.tables, watch), job, watch, options),
      reached: route,
    };
  const arrival = await bringTo(context, source, route.copy, job, watch, options);
  return { arrival, reached: { kind: "copy", copy: arrival.reached } };
}
