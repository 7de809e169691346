// What the shared queue says for alerts: that it does not answer, and what is parked on it.
import { asLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import type { HealthCode } from "../../core/monitors.ts";
import type { Context, Watch } from "../context.ts";

export interface WorkLook {
  /** About the queue itself. */
  readonly queue: readonly HealthReason[];
  /** Parked work, by its source. */
  readonly parked: ReadonlyMap<string, readonly HealthReason[]>;
  readonly blindTo: readonly HealthCode[];
}

const NOTHING: WorkLook = { queue: [], parked: new Map(), blindTo: [] };

/** Never throws but for an abort. Without a shared queue there is nothing to see. */
export async function lookAtWork({ work }: Context, { signal }: Pick<Watch, "signal">): Promise<WorkLook> {
  if (work?.isShared !== true) return NOTHING;
  try {
    const parked = (await (await work.open()).list()).filter(({ state }) => state === "parked");
    const reasons = parked.flatMap(({ item: { key, source }, failure }) => {
      const why = failure === undefined ? "it failed too often" : `${failure.code}: ${failure.message}`;
      const reason: HealthReason = { code: "WORK_PARKED", about: key, message: `${key} is parked: ${why}` };
      return source === null ? [] : [{ source, reason }];
    });
    const bySource = Map.groupBy(reasons, ({ source }) => source);
    return { ...NOTHING, parked: new Map([...bySource].map(([source, of]) => [source, of.map(({ reason }) => reason)])) };
  } catch (error) {
    signal.throwIfAborted();
    return { ...NOTHING, queue: [{ code: "QUEUE_AWAY", message: asLifeboatError(error).message }], blindTo: ["WORK_PARKED"] };
  }
}
