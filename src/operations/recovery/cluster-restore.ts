// Point-in-time restore and drill: any instant that the log proves, of a whole cluster, into a directory or a scratch server.
import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import type { DrillPlan } from "../../core/drill-schedule.ts";
import { belongsInEvidence, isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import { judgeObjective } from "../../core/objectives.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import { askedOf, type RecoveryTarget } from "../../core/recovery-target.ts";
import type { Check } from "../../core/verdict.ts";
import type { Recovered } from "../../ports/physical.ts";
import { mark } from "../../repository/marks.ts";
import { type Context, presentOf, type Source, type Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { replay } from "./cluster.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { courseTo, pointOf, type RecoveryCourse } from "./course.ts";
import { scratchDirectory } from "./recovered-copy.ts";
import { lossBy, tell, toldIn } from "./resolve.ts";

export interface PhysicalRequest {
  readonly to: RecoveryTarget;
  /** A directory, or `scratch`. */
  readonly into: string;
  /** Leave the server of a directory running. */
  readonly start?: boolean | undefined;
  /** A scratch server is ready: it goes when this resolves. */
  readonly onScratch?: ((recovered: Recovered, finding: Finding) => Promise<void>) | undefined;
}

export interface PhysicalFinding extends Finding {
  /** How the restored directory is started, and what to see to before. */
  readonly next: readonly string[];
}

/** Whether `--into` means a place for a whole cluster: a directory has a slash in it. */
export const isPhysicalPlace = (into: string): boolean =>
  into === "scratch" || (into.includes("/") && !/^[a-z][a-z0-9+.-]*:\/\//i.test(into));

/** What it would do, and why it would refuse. Nothing is touched. */
export async function planPhysical(context: Context, source: Source, request: PhysicalRequest, watch: Watch): Promise<Plan> {
  try {
    const course = await courseTo(context, source, request.to, watch.signal);
    const { base, chain, expectedEnd, stopsAt } = course;
    const bytes = base.manifest.parts.reduce((sum, part) => sum + part.stored.sizeBytes, 0);
    const logBytes = chain.reduce((sum, segment) => sum + segment.stored.sizeBytes, 0);
    const steps: PlanStep[] = [
      {
        what: `fetch and prove base backup ${base.point.name} (${base.point.id}), ${bytes} bytes`,
        effect: "none",
        reason: `it is the newest before the target; it ended at ${base.manifest.base?.endedAt}`,
      },
      {
        what: request.into === "scratch" ? "unpack it into a directory that is thrown away" : `unpack it into ${resolve(request.into)}`,
        effect: "create",
        reason: "--into",
      },
      {
        what: logInWords(
          chain.map(({ name }) => name),
          logBytes,
        ),
        effect: "none",
        reason: stopsAt === undefined ? `to ${expectedEnd}, the end of what is proven` : `to ${expectedEnd}; the next record is ${stopsAt}`,
      },
      { what: "read every table, ask the probes", effect: "none", reason: "a restore counts when it is proven" },
    ];
    const told = { asked: request.to, told: tell(request.to, { kind: "cluster", course }) };
    return { verb: "restore", source: source.name, ...toldIn(context, told), steps, refusals: await occupied(request.into) };
  } catch (error) {
    if (!isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") && !isLifeboatError(error, "NO_RESTORE_POINT")) throw error;
    const to = askedOf(request.to, presentOf(context));
    return { verb: "restore", source: source.name, to, steps: [], refusals: [{ code: error.code, message: error.message }] };
  }
}

async function occupied(into: string): Promise<Plan["refusals"]> {
  if (into === "scratch") return [];
  const names = await readdir(resolve(into)).catch(() => []);
  if (names.length === 0) return [];
  return [{ code: "RESTORE_TARGET_NOT_EMPTY", message: `${resolve(into)} is not empty: it holds ${names.slice(0, 3).join(", ")}` }];
}

function logInWords(names: readonly string[], bytes: number): string {
  const [first] = names;
  if (first === undefined) return "replay the log that the base backup holds itself";
  return `replay ${names.length} log segments, ${first} to ${names.at(-1)}, ${bytes} bytes`;
}

/** Restores a whole cluster. Whatever fails, nothing of it is left. */
export async function restorePhysical(context: Context, source: Source, request: PhysicalRequest, watch: Watch): Promise<PhysicalFinding> {
  const course = await courseTo(context, source, request.to, watch.signal);
  const throwAway = request.into === "scratch";
  return runJob(
    context,
    { verb: "restore", source: source.name, point: course.base.point.id, aside: true },
    watch,
    async (job) => {
      const directory = throwAway ? scratchDirectory(context, job) : resolve(request.into);
      const { recovered, checks } = await replay(context, source, course, { directory, throwAway }, job, watch);
      const { achieved } = measure(source, course, job, checks);
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      const target = throwAway ? `a scratch server on this machine, ${recovered.isolation}` : directory;
      const finding = await finish(job, recovered, async () => {
        const all = [...checks, ...judgeObjective(objective, achieved)];
        const found = await file(context, source, course, { verb: "restore", job, target, checks: all, objective, achieved, throwAway });
        if (throwAway) await request.onScratch?.(recovered, found);
        else await job.step("stop", () => recovered.stop());
        return found;
      });
      if (throwAway) await job.cleanUp(() => recovered.remove());
      await job.withdraw(recovered.resource);
      const next = throwAway ? [] : await recovered.next({ start: request.start ?? false });
      return { ...finding, next };
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: course.base.point.id }),
  );
}

/** As `drill`: the verdict is in the evidence; a drill that could not be finished files evidence too, and throws. */
export async function drillPhysical(
  context: Context,
  source: Source,
  course: RecoveryCourse,
  watch: Watch,
  plan?: DrillPlan,
): Promise<Finding> {
  return runJob(
    context,
    { verb: "drill", source: source.name, point: course.base.point.id, aside: true },
    watch,
    async (job) => {
      const verb = "drill";
      let target = "a throw-away PostgreSQL server on this machine";
      try {
        const place = { directory: scratchDirectory(context, job), throwAway: true };
        const { recovered, checks } = await replay(context, source, course, place, job, watch);
        target = `${target}, ${recovered.isolation}; with fsync off: times may be better than on the real target`;
        const { objective, achieved } = measure(source, course, job, checks);
        await job.cleanUp(() => recovered.remove());
        await job.withdraw(recovered.resource);
        const all = [...checks, ...judgeObjective(objective, achieved)];
        const filing = { verb, job, target, checks: all, objective, achieved, throwAway: true, plan } as const;
        const finding = await file(context, source, course, filing);
        await remember(job, course, finding);
        return finding;
      } catch (error) {
        if (!job.signal.aborted && isLifeboatError(error) && belongsInEvidence(error)) {
          const failed = {
            verb,
            job,
            target,
            checks: [broken(error)],
            ...objectiveOf(source, course),
            achieved: {},
            throwAway: true,
            plan,
          } as const;
          const finding = await file(context, source, course, failed, "not reached");
          await remember(job, course, finding);
        }
        throw error;
      }
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: course.base.point.id }),
  );
}

/** Runs what comes after the restore; when it fails, the restored server goes. */
async function finish(job: Job, recovered: Recovered, run: () => Promise<Finding>): Promise<Finding> {
  try {
    return await run();
  } catch (error) {
    await recovered.remove();
    await job.withdraw(recovered.resource);
    throw error;
  }
}

const objectiveOf = (source: Source, { named }: RecoveryCourse) => ({
  objective: named ? { rtoSeconds: source.objective.rtoSeconds } : source.objective,
});

function measure(source: Source, course: RecoveryCourse, job: Job, checks: readonly Check[]) {
  const rpoSeconds = lossBy({ kind: "cluster", course }, new Date(job.record.startedAt), checks);
  return { ...objectiveOf(source, course), achieved: { rtoSeconds: measuredSeconds(job), rpoSeconds } };
}

type Filing = Omit<Parameters<typeof conclude>[2], "asked" | "point" | "remarks"> & { readonly throwAway: boolean };

function file(
  context: Context,
  source: Source,
  course: RecoveryCourse,
  { throwAway, ...filing }: Filing,
  end: "reached" | "not reached" = "reached",
): Promise<Finding> {
  const speed = throwAway && filing.verb === "restore" ? ["the scratch server runs with fsync off"] : [];
  const [road, ...rest] = replayRemarks(course, end);
  return conclude(context, source, {
    ...filing,
    asked: course.asked,
    point: end === "reached" ? pointOf(course) : baseOf(course),
    remarks: [road, ...speed, ...rest].filter((one) => one !== undefined),
  });
}

/** How it was reached, what the base backup lacks, and what is wrong with the log. */
export function replayRemarks(
  { base, chain, expectedEnd, log }: RecoveryCourse,
  end: "reached" | "not reached" = "reached",
): readonly string[] {
  const replayed = end === "reached" ? "replayed" : "not replayed";
  const road = `by point-in-time recovery: base backup ${base.point.id} and ${chain.length} log segments, ${replayed} to ${expectedEnd}`;
  const lost = base.manifest.notIncluded.map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`);
  return [road, ...lost, ...log.log.flaws];
}

/** All that may be named when nothing was reached. */
const baseOf = ({ base: { point, manifest } }: RecoveryCourse) => ({ id: point.id, name: point.name, snapshotAt: manifest.snapshotAt });

const broken = ({ code, message }: LifeboatError): Check => ({
  name: "restore",
  kind: code === "RECOVERY_SHORT" ? "data" : "integrity",
  outcome: code === "INTEGRITY" || code === "OBJECT_MISSING" || code === "RECOVERY_SHORT" ? "fail" : "inconclusive",
  message: `${code}: ${message}`,
});

/**
 * The base is proven when all went well. It is damaged only where its own bytes were: a flaw of the log is remembered beside
 * the segment, and other bases or instants may be as good as ever.
 */
async function remember(job: Job, course: RecoveryCourse, { evidence }: Finding): Promise<void> {
  const { source, point } = course.base;
  const at = new Date(evidence.endedAt);
  const found = evidence.checks.filter(({ kind }) => kind !== "objective");
  const unpacked = evidence.steps.some(({ name, ms }) => name === "unpack" && ms !== undefined);
  const replayed = evidence.steps.some(({ name }) => name === "replay");
  if (found.every(({ outcome }) => outcome === "pass")) await job.file((place) => mark(place, source, point.id, { verifiedAt: at }));
  else if (unpacked && !replayed && found.some(({ kind, outcome }) => kind === "integrity" && outcome === "fail"))
    await job.file((place) => mark(place, source, point.id, { damagedAt: at }));
}
