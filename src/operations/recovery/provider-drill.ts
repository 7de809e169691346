// A drill within the provider: a scratch branch or cluster at the target, read in full, compared, asked, timed, and gone again.

import type { DrillPlan } from "../../core/drill-schedule.ts";
import { belongsInEvidence, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import { type Achieved, achievedRpoSeconds, judgeObjective } from "../../core/objectives.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Evidence } from "../../repository/evidence.ts";
import { changeSnapshotRecord } from "../../repository/snapshots.ts";
import type { Context, Source, Watch } from "../context.ts";
import { type Job, runJob } from "../jobs/job.ts";
import { ignoreUnwritable } from "../jobs/records.ts";
import { historyControl, inScratchBranch } from "../points/look.ts";
import { conclude, type Finding, measuredSeconds, READING_SOURCE } from "./conclude.ts";
import { expectedOf, type PastTarget } from "./history.ts";
import { prove } from "./prove.ts";

/** As `drill`: the verdict is in the evidence; a drill that could not be finished files evidence too, and throws. */
export async function branchDrill(context: Context, source: Source, past: PastTarget, watch: Watch, plan?: DrillPlan): Promise<Finding> {
  const objective = past.instant ? source.objective : { rtoSeconds: source.objective.rtoSeconds };
  const lossSeconds = rpoOf(context, past);
  return runJob(
    context,
    { verb: "drill", source: source.name, point: past.entry?.point.id, aside: true },
    watch,
    async (job) => {
      const measured = await measureSource(source, past, job, watch);
      const file = (target: string, checks: readonly Check[], achieved: Achieved) =>
        conclude(context, source, {
          verb: "drill",
          job,
          asked: past.asked,
          point: measured.point,
          target,
          checks,
          objective,
          achieved,
          remarks: measured.remarks,
          plan,
        });
      try {
        const { target, checks, rtoSeconds } = await rehearse(context, source, measured, job, watch);
        const achieved = { rtoSeconds, rpoSeconds: isSoundCopy(checks) ? lossSeconds : undefined };
        const finding = await file(target, [...checks, ...judgeObjective(objective, achieved)], achieved);
        await remember(context, past, finding.evidence);
        return finding;
      } catch (error) {
        if (!job.signal.aborted && isLifeboatError(error) && belongsInEvidence(error))
          await file(`scratch ${historyControl(source).place}`, [broken(error)], {});
        throw error;
      }
    },
    ({ evidence }) => ({ verdict: evidence.verdict, point: past.point.id }),
  );
}

interface Measured extends PastTarget {
  /** What the source equalled at exactly the target. */
  readonly expected?: Fingerprint | undefined;
}

/**
 * For a drill of the present, where source and provider can both be told one position of the log: the source's own fingerprint
 * there becomes what the restored data must equal. Where it cannot be taken, the drill goes on without, and says why.
 */
async function measureSource(source: Source, past: PastTarget, job: Job, watch: Watch): Promise<Measured> {
  const { engine, provider } = source;
  if (past.target.kind !== "latest" || !historyControl(source).positions || engine.fingerprintAt === undefined) return past;
  const take = engine.fingerprintAt.bind(engine);
  const without = (why: string): Measured => ({
    ...past,
    remarks: [...past.remarks, `the source was not read for comparison: ${why}`],
  });
  try {
    const taken = await job.step(READING_SOURCE, async () => {
      const work = { signal: job.signal, progress: watch.progress };
      return take(await provider.connection(work), { kind: "full" }, work);
    });
    if (taken === undefined) return without("its server gives no view of one instant");
    const { fingerprint, position, at } = taken;
    const point = { id: "history", name: `history at position ${position}`, snapshotAt: at.toISOString() };
    return { ...past, target: { kind: "lsn", lsn: position }, point, at, expected: fingerprint };
  } catch (error) {
    // A source that is down, or too large to be read as of one instant, is no reason not to drill.
    if (job.signal.aborted || !isLifeboatError(error) || error.code === "BUG") throw error;
    return without(error.message);
  }
}

/** Lost work if the source vanished now: since the last instant that the provider can bring back. A past instant loses nothing. */
function rpoOf(context: Context, past: PastTarget): number | undefined {
  if (!past.instant) return undefined;
  if (past.target.kind !== "latest") return 0;
  return past.windowLatest === undefined ? undefined : achievedRpoSeconds(past.windowLatest, context.clock.now());
}

/** The scratch place is gone when this returns or throws. */
async function rehearse(context: Context, source: Source, past: Measured, job: Job, watch: Watch) {
  return inScratchBranch(context, source, job, past.target, watch, async ({ connection }) => {
    await refuseSource(source, connection, job.signal);
    const expected = past.expected ?? (await expectedOf(context, past, watch));
    const checks = await job.step("verify", () => prove(source, connection, { expected, asOf: past.at }, job, watch));
    return { target: connection.label, checks, rtoSeconds: measuredSeconds(job) };
  });
}

/**
 * The last fence: the scratch place must be reached at another address than the source. What the servers say of themselves cannot tell
 * them apart, for one is a copy of the other; and nothing here writes to either.
 */
async function refuseSource(source: Source, scratch: Connection, signal: AbortSignal): Promise<void> {
  let own: Connection;
  try {
    own = await source.provider.connection({ signal });
  } catch (error) {
    if (!isLifeboatError(error, "SOURCE_UNREACHABLE")) throw error;
    return; // a source that is down is not what answers at that address
  }
  if (own.label === scratch.label)
    throw new LifeboatError(
      "SOURCE_WRITE_REFUSED",
      `the scratch ${historyControl(source).place} of ${source.name} is reached at the source's own address, ${own.label}`,
    );
}

const broken = ({ code, message }: LifeboatError): Check => ({
  name: "restore",
  kind: "integrity",
  outcome: code === "INTEGRITY" ? "fail" : "inconclusive",
  message: `${code}: ${message}`,
});

/** A snapshot that was compared is proven, or found to differ; reading alone proves nothing of it. */
async function remember(context: Context, past: PastTarget, evidence: Evidence): Promise<void> {
  const { entry } = past;
  if (entry?.record === undefined) return;
  const found = evidence.checks.filter(({ kind }) => kind !== "objective");
  const differs = found.some(({ kind, outcome }) => kind === "data" && outcome === "fail");
  const proven = found.some(({ kind }) => kind === "data") && found.every(({ outcome }) => outcome === "pass");
  const at = evidence.endedAt;
  const change = differs ? { damagedAt: at } : proven ? { verifiedAt: at } : undefined;
  if (change) await changeSnapshotRecord(context.repository, entry.source, entry.point.id, change).catch(ignoreUnwritable);
}
