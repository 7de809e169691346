// Point-in-time restore and drill: any instant that the log proves, of a whole cluster, into a directory or a scratch server.
import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { DrillPlan } from "../../core/drill-schedule.ts";
import { belongsInEvidence, isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import { dateOfMicros } from "../../core/micros.ts";
import { achievedRpoSeconds, judgeObjective } from "../../core/objectives.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import type { Check } from "../../core/verdict.ts";
import type { Recovered } from "../../ports/physical.ts";
import { mark } from "../../repository/marks.ts";
import { type Job, runJob } from "../job.ts";
import type { Source, Watch, Workshop } from "../workshop.ts";
import { replay } from "./cluster.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { courseTo, pointOf, type RecoveryCourse } from "./course.ts";

export interface PhysicalRequest {
  readonly to: string;
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
export async function planPhysical(workshop: Workshop, source: Source, request: PhysicalRequest, watch: Watch): Promise<Plan> {
  try {
    const course = await courseTo(workshop, source, request.to, watch.signal);
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
    return { verb: "restore", source: source.name, steps, refusals: await occupied(request.into) };
  } catch (error) {
    if (!isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") && !isLifeboatError(error, "NO_RESTORE_POINT")) throw error;
    return { verb: "restore", source: source.name, steps: [], refusals: [{ code: error.code, message: error.message }] };
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
export async function restorePhysical(
  workshop: Workshop,
  source: Source,
  request: PhysicalRequest,
  watch: Watch,
): Promise<PhysicalFinding> {
  const course = await courseTo(workshop, source, request.to, watch.signal);
  const throwAway = request.into === "scratch";
  return runJob(
    workshop,
    { verb: "restore", source: source.name, point: course.base.point.id, aside: true },
    watch,
    async (job) => {
      const directory = throwAway ? scratchDirectory(workshop, job) : resolve(request.into);
      const { recovered, checks } = await replay(workshop, source, course, { directory, throwAway }, job, watch);
      const { achieved } = measure(workshop, source, course, job);
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      const target = throwAway ? `a scratch server on this machine, ${recovered.isolation}` : directory;
      const finding = await finish(job, recovered, async () => {
        const all = [...checks, ...judgeObjective(objective, achieved)];
        const found = await file(workshop, source, course, { verb: "restore", job, target, checks: all, objective, achieved, throwAway });
        if (throwAway) await request.onScratch?.(recovered, found);
        else await job.step("stop", () => recovered.stop());
        return found;
      });
      if (throwAway) await job.cleanUp(() => recovered.remove());
      await job.strike(recovered.resource);
      const next = throwAway ? [] : await recovered.next({ start: request.start ?? false });
      return { ...finding, next };
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: course.base.point.id }),
  );
}

/** As `drill`: the verdict is in the evidence; a drill that could not be finished files evidence too, and throws. */
export async function drillPhysical(
  workshop: Workshop,
  source: Source,
  course: RecoveryCourse,
  watch: Watch,
  plan?: DrillPlan,
): Promise<Finding> {
  return runJob(
    workshop,
    { verb: "drill", source: source.name, point: course.base.point.id, aside: true },
    watch,
    async (job) => {
      const verb = "drill";
      let target = "a throw-away PostgreSQL server on this machine";
      try {
        const place = { directory: scratchDirectory(workshop, job), throwAway: true };
        const { recovered, checks } = await replay(workshop, source, course, place, job, watch);
        target = `${target}, ${recovered.isolation}; with fsync off: times may be better than on the real target`;
        const { objective, achieved } = measure(workshop, source, course, job);
        await job.cleanUp(() => recovered.remove());
        await job.strike(recovered.resource);
        const all = [...checks, ...judgeObjective(objective, achieved)];
        const finding = await file(workshop, source, course, {
          verb,
          job,
          target,
          checks: all,
          objective,
          achieved,
          throwAway: true,
          plan,
        });
        await remember(job, course, finding);
        return finding;
      } catch (error) {
        if (!job.signal.aborted && isLifeboatError(error) && belongsInEvidence(error)) {
          const { objective } = measure(workshop, source, course, job);
          const failed = { verb, job, target, checks: [broken(error)], objective, achieved: {}, throwAway: true, plan } as const;
          const finding = await file(workshop, source, course, failed, "not reached");
          await remember(job, course, finding);
        }
        throw error;
      }
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: course.base.point.id }),
  );
}

const scratchDirectory = (workshop: Workshop, job: Job): string =>
  join(resolve(workshop.spoolDirectory ?? tmpdir()), `lifeboat-${job.id}-${randomBytes(3).toString("hex")}`);

/** Runs what comes after the restore; when it fails, the restored server goes. */
async function finish(job: Job, recovered: Recovered, run: () => Promise<Finding>): Promise<Finding> {
  try {
    return await run();
  } catch (error) {
    await recovered.remove();
    await job.strike(recovered.resource);
    throw error;
  }
}

/** `latest` loses what came after the last commit that is proven; an instant that is reached exactly loses nothing. */
function measure(workshop: Workshop, source: Source, course: RecoveryCourse, job: Job) {
  const { named, wanted, window } = course;
  const rtoSeconds = measuredSeconds(job);
  if (named) return { objective: { rtoSeconds: source.objective.rtoSeconds }, achieved: { rtoSeconds, rpoSeconds: undefined } };
  const lostUntil = new Date(job.record.startedAt);
  const rpoSeconds =
    wanted !== "latest" ? 0 : achievedRpoSeconds(window === undefined ? workshop.clock.now() : dateOfMicros(window.latest), lostUntil);
  return { objective: source.objective, achieved: { rtoSeconds, rpoSeconds } };
}

type Filing = Omit<Parameters<typeof conclude>[2], "point" | "remarks"> & { readonly throwAway: boolean };

function file(
  workshop: Workshop,
  source: Source,
  course: RecoveryCourse,
  { throwAway, ...filing }: Filing,
  end: "reached" | "not reached" = "reached",
): Promise<Finding> {
  const { base, chain, expectedEnd } = course;
  const reached = end === "reached";
  const road = `by point-in-time recovery: base backup ${base.point.id} and ${chain.length} log segments, ${reached ? "" : "not "}replayed to ${expectedEnd}`;
  const lost = base.manifest.notIncluded.map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`);
  const speed = throwAway && filing.verb === "restore" ? ["the scratch server runs with fsync off"] : [];
  return conclude(workshop, source, {
    ...filing,
    point: reached ? pointOf(course) : baseOf(course),
    remarks: [road, ...speed, ...lost, ...course.log.log.flaws],
  });
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
