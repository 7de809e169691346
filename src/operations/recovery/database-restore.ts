// A restore into a database: what a route reaches becomes one that people use. It is filled under a name of its own and takes the wanted
// name only when it is complete and checked, so that no failure leaves half a database, or harms the one it replaces.
import { isLifeboatError } from "../../core/errors.ts";
import { judgeObjective } from "../../core/objectives.ts";
import { judge } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { originOf } from "../points/points.ts";
import { replayRemarks } from "./cluster-restore.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { bringTo } from "./copy.ts";
import { type DatabaseRequest, plot, refusalsOf } from "./database-plan.ts";
import { beginDatabase, finish, setAside, takeName } from "./fresh.ts";
import { type Arrival, bringBack, type RoadOptions } from "./load.ts";
import { clusterSupply, providerSupply } from "./recovered-copy.ts";
import { evidencePoint, jobPoint, lossBy, type Resolved, type Route } from "./resolve.ts";

export interface DatabaseRestored extends Finding {
  /** Where it is now; absent: it failed, and lies aside under another name. */
  readonly connection?: Connection | undefined;
  /** What the replaced database is called now; it stays until the job is accepted. */
  readonly kept?: string | undefined;
}

/** Restores. A database that holds anything is refused before a byte is read, unless told to replace it. */
export async function databaseRestore(
  context: Context,
  source: Source,
  request: DatabaseRequest,
  resolved: Resolved,
  watch: Watch,
): Promise<DatabaseRestored> {
  const course = await plot(context, source, request, resolved, watch);
  const [refusal] = refusalsOf(source, request, resolved, course);
  if (refusal) throw refusal;
  const { route, place } = course;
  context.servers.set(place.server.label, place.server);
  return runJob(
    context,
    { verb: "restore", source: source.name, point: jobPoint(route), aside: true },
    watch,
    async (job) => {
      const { tables, asSuperuser } = request;
      const { dataOnly, only } = course;
      const loader = source.engine.dropLoader === undefined ? undefined : RESOURCE.loader(source.name, place.server.label);
      // Before the database: a clean-up goes backwards, and a role can go when what it owned is gone.
      if (loader !== undefined) await job.declare(loader);
      const direct = !source.engine.renamesDatabases && course.occupants.length === 0;
      const fresh = course.inPlace ? undefined : direct ? place.database : `lifeboat_${job.id}`;
      const { arrival, reached } = await bring(context, source, route, job, watch, {
        tables,
        dataOnly,
        definitionsOf: only && dataOnly ? place.connection : undefined,
        asSuperuser,
        replace: course.inPlace && request.replace,
        begin: async (archiveFile) => ({
          connection: fresh === undefined ? place.connection : await beginDatabase(source, place, fresh, archiveFile, tables, job),
          ownServer: false,
        }),
      }).catch(async (error: unknown) => {
        // Whatever is in there is somebody else's: no clean-up of ours may touch it.
        if (fresh !== undefined && isLifeboatError(error, "RESTORE_TARGET_NOT_EMPTY")) {
          if (fresh === place.database && fresh !== "") await finish(source, place, fresh, job);
          await job.withdraw(RESOURCE.database(source.name, place.server.label, fresh));
        }
        throw error;
      });
      if (loader !== undefined) await job.withdraw(loader);
      const remarks = [
        ...routeRemarks(reached),
        ...arrival.notRestored.map(({ object, reason }) => `${object} was not restored: ${reason}`),
        ...(asSuperuser === true ? ["what the backup holds was allowed to run with the rights of the target's user (--as-superuser)"] : []),
      ];
      let { label } = place.connection;
      let kept: string | undefined;
      let named = true;
      if (fresh !== undefined) {
        named = judge(arrival.checks).verdict !== "fail";
        if (named) kept = await takeName(source, course, fresh, job, context.clock.now());
        else {
          const aside = await job.step("set aside", () => setAside(source, place, fresh, job));
          const before = course.occupants.length > 0 ? "was left as it is" : "was not made";
          remarks.push(
            `${place.database || "what was asked for"} ${before}; what was restored is ${aside.words}, to be looked at or dropped`,
          );
          ({ label } = aside);
        }
        await job.withdraw(RESOURCE.database(source.name, place.server.label, fresh));
      }
      const achieved = {
        rtoSeconds: measuredSeconds(job),
        rpoSeconds: lossBy(reached, new Date(job.record.startedAt), arrival.checks),
      };
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      const origin = route.kind === "copy" ? originOf(route.copy.entry) : [];
      const finding = await conclude(context, source, {
        verb: "restore",
        job,
        asked: resolved.asked,
        point: evidencePoint(reached),
        target: label,
        checks: [...arrival.checks, ...origin, ...judgeObjective(objective, achieved)],
        objective,
        achieved,
        remarks,
      });
      return { ...finding, connection: named ? place.connection : undefined, kept };
    },
    ({ evidence, kept }) => ({ verdict: evidence.verdict, point: evidencePoint(route).id, ...(kept && { kept }) }),
  );
}

/** What arrived, and the route as far as it went: a backup whose log was not replayed is that backup alone. */
async function bring(
  context: Context,
  source: Source,
  route: Route,
  job: Job,
  watch: Watch,
  options: RoadOptions,
): Promise<{ readonly arrival: Arrival; readonly reached: Route }> {
  if (route.kind === "copy") {
    const arrival = await bringTo(context, source, route.copy, job, watch, options);
    return { arrival, reached: { kind: "copy", copy: arrival.reached } };
  }
  const supply =
    route.kind === "cluster" ? clusterSupply(context, source, route.course, watch) : providerSupply(context, source, route.past, watch);
  return { arrival: await bringBack(context, source, supply, job, watch, options), reached: route };
}

function routeRemarks(route: Route): readonly string[] {
  if (route.kind === "copy") return route.copy.remarks;
  return route.kind === "provider" ? route.past.remarks : replayRemarks(route.course);
}
