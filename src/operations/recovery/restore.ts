// Restore: a restore point becomes a database that people use. It is filled under a name of its own and takes the wanted
// name only when it is complete and checked, so that no failure leaves half a database, or harms the one it replaces.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { judgeObjective } from "../../core/objectives.ts";
import type { Plan, PlanCode, PlanStep } from "../../core/plan.ts";
import { judge } from "../../core/verdict.ts";
import { wordsOf } from "../../core/words.ts";
import type { RestoreTarget } from "../../ports/engine.ts";
import { contentsOf } from "../contents.ts";
import { runJob } from "../job.ts";
import { originOf } from "../points.ts";
import { RESOURCE } from "../undo.ts";
import type { Source, Watch, Workshop } from "../workshop.ts";
import { conclude, measuredSeconds } from "./conclude.ts";
import { bringTo, type Destination, destinationOf, lossOf, pointIn } from "./copy.ts";
import type { Finding } from "./drill.ts";
import { beginDatabase, finish, setAside } from "./fresh.ts";

export interface RestoreRequest {
  readonly to: string;
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
  /** A restore point that no trusted key has signed will do. */
  readonly unsigned?: boolean | undefined;
}

interface Course {
  readonly target: Destination;
  readonly place: RestoreTarget;
  readonly exists: boolean;
  readonly occupants: readonly string[];
  /** Asked for, or all that the point holds. */
  readonly dataOnly: boolean;
  /** Rows go into the database as it stands: asked for by data-only and by chosen tables of an existing database. */
  readonly inPlace: boolean;
  /** Why what the point holds cannot go there at all. */
  readonly misfit?: LifeboatError | undefined;
  /** Why that is not known yet. */
  readonly unread?: LifeboatError | undefined;
}

/** What a restore would do, and why it would refuse. Nothing is touched. */
export async function planRestore(workshop: Workshop, source: Source, request: RestoreRequest, watch: Watch): Promise<Plan> {
  const course = await plot(workshop, source, request, watch);
  const { target, place, exists, occupants, dataOnly, inPlace } = course;
  const { point } = target.entry;
  const { code, unread = course.unread } = await codeOf(workshop, source, course, watch);
  const rights = request.asSuperuser === true ? "; its code runs with the target's user's rights (--as-superuser)" : "";
  const steps: PlanStep[] = [
    { what: `fetch and prove ${point.name} (${point.id})`, effect: "none", reason: `it holds the data of ${point.time.toISOString()}` },
    ...removalStep(source, request, course),
    inPlace
      ? { what: `load into ${place.connection.label}`, effect: "change", reason: (dataOnly ? "data only" : "chosen tables only") + rights }
      : {
          what: `create a database on ${place.server.label} and load into it`,
          effect: "create",
          reason: `it takes its name only when complete${rights}`,
        },
    ...replayStep(target),
    { what: "compare fingerprints, ask the probes", effect: "none", reason: "a restore counts when it is proven" },
  ];
  if (exists && !inPlace)
    steps.push({ what: `replace ${place.connection.label}`, effect: "remove", reason: occupants.length > 0 ? "--replace" : "it is empty" });
  else if (!inPlace) steps.push({ what: `name it ${place.database}`, effect: "create", reason: "--into" });
  if (unread !== undefined) {
    const reason = `its contents cannot be read now: ${unread.message}`;
    steps.unshift({ what: `find out what it holds, and whether it fits ${place.connection.label}`, effect: "none", reason });
  }
  const refusal = refusalOf(source, request, course);
  return {
    verb: "restore",
    source: source.name,
    steps,
    refusals: refusal ? [{ code: refusal.code, message: refusal.message }] : [],
    ...(code.length > 0 && { code }),
  };
}

/** What goes before rows are loaded into a database as it stands. */
function removalStep(source: Source, { tables, replace }: RestoreRequest, { place, inPlace, dataOnly }: Course): PlanStep[] {
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
  workshop: Workshop,
  source: Source,
  { target, dataOnly }: Course,
  { signal }: Watch,
): Promise<{ readonly code: readonly PlanCode[]; readonly unread?: LifeboatError }> {
  if (dataOnly) return { code: [] };
  const names = new Map<string, string[]>();
  try {
    for (const entry of await contentsOf(workshop, source, target.entry, signal)) {
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

function replayStep({ course }: Destination): PlanStep[] {
  if (course === undefined) return [];
  const { chain, expectedEnd, stopsAt } = course;
  const reason = stopsAt === undefined ? "to the end of what is proven" : `the next entry is ${stopsAt}`;
  return [{ what: `replay ${chain.length} log segments onto it, to ${expectedEnd}`, effect: "create", reason }];
}

/** Restores. A database that holds anything is refused before a byte is read, unless told to replace it. */
export async function restore(workshop: Workshop, source: Source, request: RestoreRequest, watch: Watch): Promise<Finding> {
  const course = await plot(workshop, source, request, watch);
  const refusal = refusalOf(source, request, course);
  if (refusal) throw refusal;
  const { target, place } = course;
  const { point } = target.entry;
  workshop.servers.set(place.server.label, place.server);
  return runJob(
    workshop,
    { verb: "restore", source: source.name, point: point.id, aside: true },
    watch,
    async (job) => {
      const { tables, asSuperuser } = request;
      const { dataOnly } = course;
      const loader = source.engine.dropLoader === undefined ? undefined : RESOURCE.loader(source.name, place.server.label);
      // Before the database: a clean-up goes backwards, and a role can go when what it owned is gone.
      if (loader !== undefined) await job.declare(loader);
      const direct = !source.engine.renamesDatabases && course.occupants.length === 0;
      const fresh = course.inPlace ? undefined : direct ? place.database : `lifeboat_${job.id}`;
      const arrival = await bringTo(workshop, source, target, job, watch, {
        tables,
        dataOnly,
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
          await job.strike(RESOURCE.database(source.name, place.server.label, fresh));
        }
        throw error;
      });
      if (loader !== undefined) await job.strike(loader);
      const remarks = [
        ...arrival.reached.remarks,
        ...arrival.notRestored.map(({ object, reason }) => `${object} was not restored: ${reason}`),
        ...(asSuperuser === true ? ["what the backup holds was allowed to run with the rights of the target's user (--as-superuser)"] : []),
      ];
      let { label } = place.connection;
      if (fresh !== undefined) {
        if (judge(arrival.checks).verdict === "fail") {
          const aside = await job.step("set aside", () => setAside(source, place, fresh, job));
          const before = course.occupants.length > 0 ? "was left as it is" : "was not made";
          remarks.push(
            `${place.database || "what was asked for"} ${before}; what was restored is ${aside.words}, to be looked at or dropped`,
          );
          ({ label } = aside);
        } else await job.step("name", () => source.engine.takeName(place.server, fresh, place.database, { signal: job.signal }));
        await job.strike(RESOURCE.database(source.name, place.server.label, fresh));
      }
      const achieved = {
        rtoSeconds: measuredSeconds(job),
        rpoSeconds: lossOf(arrival.reached, new Date(job.record.startedAt), arrival.checks),
      };
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      return conclude(workshop, source, {
        verb: "restore",
        job,
        point: pointIn(arrival.reached),
        target: label,
        checks: [...arrival.checks, ...originOf(target.entry), ...judgeObjective(objective, achieved)],
        objective,
        achieved,
        remarks,
      });
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: point.id }),
  );
}

async function plot(workshop: Workshop, source: Source, request: RestoreRequest, watch: Watch): Promise<Course> {
  const target = await destinationOf(workshop, source, request.to, watch, { dataOnly: request.dataOnly, unsigned: request.unsigned });
  if (target.entry.point.kind === "base") {
    throw new LifeboatError(
      "RESTORE_TARGET_INVALID",
      `${target.entry.point.name} is a base backup, a whole cluster: it does not go into one database`,
      {
        hint: "give --into a directory, or `scratch`",
      },
    );
  }
  // An address needs no source: who lost it, and its provider with it, restores elsewhere.
  const own = request.into.includes("://") ? undefined : await source.provider.connection({ signal: watch.signal });
  const place = source.engine.resolveTarget(own, request.into);
  const { exists, occupants } = await source.engine.stateOf(place, { signal: watch.signal });
  const dataOnly = request.dataOnly === true || target.entry.point.kind === "data";
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
  const inPlace = partial && exists;
  const fit = await fitOf(workshop, source, target, place, { tables: request.tables, existing: inPlace }, watch);
  return { target, place, exists, occupants, dataOnly, inPlace, ...fit };
}

const MISFITS: ReadonlySet<string> = new Set(["RESTORE_TARGET_INVALID", "TABLE_UNKNOWN"]);

/** Looks only where an engine may say no, and only into the beginning of the backup. What cannot be read is met again by the restore. */
async function fitOf(
  workshop: Workshop,
  source: Source,
  { entry }: Destination,
  place: RestoreTarget,
  options: { readonly tables?: readonly string[] | undefined; readonly existing: boolean },
  { signal }: Watch,
): Promise<Pick<Course, "misfit" | "unread">> {
  const { engine } = source;
  if (engine.assertFits === undefined) return {};
  try {
    engine.assertFits(place, await contentsOf(workshop, source, entry, signal), options);
    return {};
  } catch (error) {
    signal.throwIfAborted();
    if (!isLifeboatError(error)) throw error;
    return MISFITS.has(error.code) ? { misfit: error } : { unread: error };
  }
}

function refusalOf(source: Source, request: RestoreRequest, course: Course): LifeboatError | undefined {
  const { place, occupants, dataOnly, inPlace, misfit } = course;
  if (misfit !== undefined) return misfit;
  if (occupants.length === 0 || (dataOnly && !request.replace)) return undefined;
  const shown = occupants.slice(0, 3).join(", ") + (occupants.length > 3 ? ` and ${occupants.length - 3} more` : "");
  if (!request.replace) {
    const effect = !inPlace
      ? "overwrite this database"
      : `replace ${request.tables === undefined ? "the rows" : chosen(source, request.tables)} and nothing else in it`;
    return new LifeboatError("RESTORE_TARGET_NOT_EMPTY", `${place.connection.label} is not empty: it holds ${shown}`, {
      hint: `restore into a new name, or add --replace --yes ${source.name} to ${effect}`,
    });
  }
  if (request.yes === source.name) return undefined;
  const [removal] = removalStep(source, request, course);
  const loss = removal === undefined ? "and would be replaced" : `and the restore would ${removal.what}`;
  return new LifeboatError("CONFIRMATION_NEEDED", `${place.connection.label} holds ${shown}, ${loss}`, {
    hint: `repeat the command with --yes ${source.name} when you are sure`,
  });
}
