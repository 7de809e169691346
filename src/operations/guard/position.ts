// Where the log of a source has an archive, a guard sets production back to the position right before its command: what was committed
// between the point and the command stays.
import { setTimeout } from "node:timers/promises";
import { asLifeboatError, isLifeboatError } from "../../core/errors.ts";
import { logOf } from "../archive/log-view.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { resolve } from "../recovery/resolve.ts";
import type { Restored } from "../recovery/restore-request.ts";
import { rollBack, type WayBack, wayInWords } from "./point.ts";

/** Where the log ends now. `why`: it is not known, and the point is the only way back. */
export type LogEnd = { readonly position: string } | { readonly why: string };

const NO_ARCHIVE = "the source has no log archive";

export async function logEnd(context: Context, source: Source, watch: Watch): Promise<LogEnd> {
  const { engine, archive, provider, managed } = source;
  const reader = engine.log ?? engine.physical;
  if (archive === undefined || reader === undefined || managed === true) return { why: NO_ARCHIVE };
  try {
    const { window } = await logOf(context, source.name, watch.signal);
    if (window === undefined) return { why: NO_ARCHIVE };
    const connection = await provider.connection(watch);
    // All that was committed before this commit lies before it in the log.
    await reader.emitCommit(connection, watch);
    return { position: (await reader.logState(connection, undefined, watch)).currentLsn };
  } catch (error) {
    watch.signal.throwIfAborted();
    if (isLifeboatError(error, "BUG")) throw error;
    return { why: asLifeboatError(error).message };
  }
}

const LOOK_EVERY_MS = 1_000;
/** For the archive to store what the server has written, beside the time between two partial segments. */
const STORE_MS = 30_000;

/**
 * Sets production back by the first way that leads there: where the position cannot be reached, or the restore of it ends without having
 * changed anything, the point is restored.
 */
export async function setBack(
  context: Context,
  source: Source,
  { ways, reasons }: { readonly ways: readonly [...WayBack[], WayBack]; readonly reasons: readonly string[] },
  job: Pick<Job, "decide">,
  watch: Watch,
): Promise<{ readonly to: WayBack; readonly restored: Restored }> {
  const go = async (to: WayBack) => {
    job.decide(`production is set back to ${wayInWords(to)}`, reasons.join("; "));
    return { to, restored: await rollBack(context, source, to, watch) };
  };
  const [way, next] = ways;
  if (next === undefined || way.kind === "point") return go(way);
  let why = await whyNotReached(context, source, way.lsn, watch);
  if (why === undefined) {
    try {
      const gone = await go(way);
      const { verdict, reasons: against } = gone.restored.evidence;
      if (verdict !== "fail") return gone;
      why = against.join("; ");
    } catch (error) {
      watch.signal.throwIfAborted();
      if (!isLifeboatError(error) || error.code === "BUG") throw error;
      why = error.message;
    }
  }
  job.decide(`log position ${way.lsn} is not reached`, why);
  return go(next);
}

/** Waits until a restore can reach the position. Gives why it cannot. */
async function whyNotReached(context: Context, source: Source, position: string, watch: Watch): Promise<string | undefined> {
  const { clock } = context;
  const waitMs = 2 * (source.archive?.partialEveryMs ?? 0) + STORE_MS;
  for (const beganMs = clock.monotonicMs(); ; ) {
    try {
      const { inexact } = await resolve(context, source, { kind: "lsn", lsn: position }, watch);
      return inexact?.message;
    } catch (error) {
      watch.signal.throwIfAborted();
      if (!isLifeboatError(error, "RECOVERY_TARGET_OUTSIDE_WINDOW") || clock.monotonicMs() - beganMs > waitMs) {
        if (isLifeboatError(error, "BUG")) throw error;
        return asLifeboatError(error).message;
      }
      watch.progress.phase?.(`waiting until the log archive holds ${position}`);
      await setTimeout(LOOK_EVERY_MS, undefined, { signal: watch.signal });
    }
  }
}
