// Drill: a timed restore into scratch, with the checks compulsory and the clean-up guaranteed. It never touches its source.
import type { DrillPlan } from "../../core/drill-schedule.ts";
import { belongsInEvidence, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type Achieved, judgeObjective } from "../../core/objectives.ts";
import type { RecoveryTarget } from "../../core/recovery-target.ts";
import type { Check } from "../../core/verdict.ts";
import type { Scratch } from "../../ports/provider.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { mark } from "../../repository/marks.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { originOf } from "../points/points.ts";
import { drillPhysical } from "./cluster-restore.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { bringTo, lossOf, notReplayed, pointIn, type StoredCopy } from "./copy.ts";
import type { Place } from "./load.ts";
import { branchDrill } from "./provider-drill.ts";
import { resolve } from "./resolve.ts";

export type { Finding } from "./conclude.ts";

/**
 * Runs a drill to the recovery target. Its verdict is in the evidence. A drill that could not be finished files evidence
 * too, and throws: damaged bytes and failed loads as fail, anything else (no tool, no disk) as inconclusive.
 */
export async function drill(
  context: Context,
  source: Source,
  to: RecoveryTarget,
  watch: Watch,
  { unsigned, plan }: { readonly unsigned?: boolean | undefined; readonly plan?: DrillPlan | undefined } = {},
): Promise<Finding> {
  // What is reached less exactly than asked is no reason not to drill: how much would be lost is what a drill measures.
  const { route } = await resolve(context, source, to, watch, { unsigned });
  if (route.kind === "provider") return branchDrill(context, source, route.past, watch, plan);
  if (route.kind === "cluster") return drillPhysical(context, source, route.course, watch, plan);
  const target = route.copy;
  const { point } = target.entry;
  const objective = target.named ? { rtoSeconds: source.objective.rtoSeconds } : source.objective;
  const begunAt = context.clock.now();
  return runJob(
    context,
    { verb: "drill", source: source.name, point: point.id, aside: true },
    watch,
    async (job) => {
      const file = (reached: StoredCopy, place: string, checks: readonly Check[], achieved: Achieved, remarks: readonly string[]) =>
        conclude(context, source, {
          verb: "drill",
          job,
          asked: to,
          point: pointIn(reached),
          target: place,
          checks,
          objective,
          achieved,
          remarks: [...reached.remarks, ...remarks],
          plan,
        });
      try {
        const { place, arrival, rtoSeconds } = await rehearse(context, source, target, job, watch);
        const { reached } = arrival;
        const achieved = { rtoSeconds, rpoSeconds: lossOf(reached, begunAt, arrival.checks) };
        const checks = [...arrival.checks, ...originOf(target.entry), ...judgeObjective(objective, achieved)];
        const remarks = arrival.notRestored.map(({ object, reason }) => `${object} was not restored: ${reason}`);
        const finding = await file(reached, place, checks, achieved, remarks);
        await remember(job, source.name, point.id, finding.evidence);
        return finding;
      } catch (error) {
        if (!job.signal.aborted && isLifeboatError(error) && belongsInEvidence(error)) {
          const finding = await file(notReplayed(target), "scratch", [broken(error)], {}, []);
          await remember(job, source.name, point.id, finding.evidence);
        }
        throw error;
      }
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: point.id }),
  );
}

/** The restore itself. Scratch is gone when this returns or throws. */
async function rehearse(context: Context, source: Source, target: StoredCopy, job: Job, watch: Watch) {
  let scratch: Scratch | undefined;
  try {
    const begin = async (archiveFile: string): Promise<Place> => {
      scratch = await beginScratch(source, target, job, watch);
      const { connection, ownServer, isolation } = scratch;
      // Encoding and order of text as at the source; a scratch database on somebody's server comes as that server makes it.
      if (!ownServer) return { connection, ownServer, isolation };
      return {
        connection: await source.engine.createDatabase(connection, "restored", { like: archiveFile, ownServer, signal: job.signal }),
        ownServer,
        isolation,
      };
    };
    const arrival = await bringTo(context, source, target, job, watch, { begin });
    return { arrival, place: scratch?.description ?? "scratch", rtoSeconds: measuredSeconds(job) };
  } catch (error) {
    throw (await scratch?.fault?.()) ?? error;
  } finally {
    const made = scratch;
    if (made !== undefined) {
      await job.cleanUp(() => made.end());
      await job.withdraw(made.resource);
    }
  }
}

/** What the error says of the backup: damaged bytes are its fault, a failed load fails the drill, all else leaves it unproven. */
const broken = ({ code, message }: LifeboatError): Check => ({
  name: "restore",
  kind: DAMAGE.has(code) ? "integrity" : "schema",
  outcome: DAMAGE.has(code) || FAILED.has(code) ? "fail" : "inconclusive",
  message: `${code}: ${message}`,
});

const DAMAGE: ReadonlySet<string> = new Set(["INTEGRITY", "OBJECT_MISSING"]);
const FAILED: ReadonlySet<string> = new Set(["LOAD_FAILED", "LOG_INVALID", "RECOVERY_SHORT"]);

async function beginScratch(source: Source, target: StoredCopy, job: Job, watch: Watch): Promise<Scratch> {
  const { provider } = source;
  const serverMajor = Number.parseInt(target.entry.manifest.server.version, 10);
  if (!provider.capabilities.scratch) {
    await provider.checkScratch(serverMajor, { signal: job.signal }); // it knows best what is missing
    throw new LifeboatError("CAPABILITY_MISSING", `${source.name} has no place for scratch`);
  }
  const scratch = await provider.beginScratch({
    maker: job.maker,
    serverMajor,
    declare: (resource) => job.declare(resource),
    signal: job.signal,
    progress: watch.progress,
  });
  try {
    await refuseSource(source, scratch, job.signal);
  } catch (error) {
    await scratch.end();
    await job.withdraw(scratch.resource);
    throw error;
  }
  return scratch;
}

/**
 * The last fence: whatever the provider said, scratch and source must be two databases. Only a source that is down cannot be
 * written to; and a server that was made here for this job is not it, whatever has become of the source's provider.
 */
async function refuseSource(source: Source, { connection, ownServer }: Scratch, signal: AbortSignal): Promise<void> {
  try {
    await source.engine.assertSeparate(await source.provider.connection({ signal }), connection, { signal });
  } catch (error) {
    const providerAway = ownServer && isLifeboatError(error) && error.code.startsWith("PROVIDER_");
    if (!providerAway && !isLifeboatError(error, "SOURCE_UNREACHABLE")) throw error;
    await source.engine.inspect(connection, { signal }); // it was the source that did not answer, not the scratch
  }
}

/**
 * Marks the point by what the drill found. Damaged is a heavy word, since `latest` then passes the point over: it needs damaged
 * bytes, or rows that differ although everything could be loaded. A scratch server that lacks an extension, a definition that
 * reads differently or an unmet objective say nothing against the bytes.
 */
async function remember(job: Job, source: string, id: string, evidence: Evidence): Promise<void> {
  const at = new Date(evidence.endedAt);
  const found = evidence.checks.filter((check) => check.kind !== "objective");
  const failed = (kind: Check["kind"]): boolean => found.some((check) => check.kind === kind && check.outcome === "fail");
  // Log is replayed only onto what was as it had been backed up: from then on, whatever is wrong is the log's, and remembered there.
  const replaying = evidence.steps.some(({ name }) => name === "replay");
  if (replaying && found.some((check) => check.outcome === "fail")) return;
  if (failed("integrity") || (failed("data") && !failed("schema"))) await job.file((place) => mark(place, source, id, { damagedAt: at }));
  else if (found.every((check) => check.outcome === "pass")) await job.file((place) => mark(place, source, id, { verifiedAt: at }));
}
