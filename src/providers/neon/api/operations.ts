// Neon answers before the work is done: operations are asked for until they end.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Caller } from "../../http/call.ts";
import { sleep } from "../../http/timeouts.ts";
import type { Timeouts } from "../options.ts";
import type { NeonOperation } from "./types.ts";

const DONE: ReadonlySet<string> = new Set(["finished", "skipped"]);
const FAILED: ReadonlySet<string> = new Set(["failed", "error", "cancelled"]);

export const isUnfinished = ({ status }: NeonOperation): boolean => !DONE.has(status) && !FAILED.has(status);

/** First pause between two questions; it grows by half each time. */
const FIRST_POLL_MS = 100;
/** Operations usually end sooner; then there is nothing to say. */
const QUIET_MS = 5_000;

/**
 * Returns when all have ended well. PROVIDER_FAILED when one failed; PROVIDER_BUSY when one has not ended in time: its id is told,
 * because whoever helps at Neon asks for it.
 */
export async function awaitOperations(
  caller: Caller & { readonly timeouts: Timeouts },
  operations: readonly NeonOperation[],
  ask: (id: string) => Promise<NeonOperation>,
  work: Work = {},
): Promise<void> {
  const { timeouts, clock } = caller;
  const startedMs = clock.monotonicMs();
  let noted = false;
  let pauseMs = Math.min(FIRST_POLL_MS, timeouts.pollMs);
  for (let operation of operations) {
    while (isUnfinished(operation)) {
      if (clock.monotonicMs() - startedMs > timeouts.operationMs) throw late(operation, timeouts.operationMs);
      if (!noted && clock.monotonicMs() - startedMs > QUIET_MS) {
        work.progress?.note(`waiting for Neon's operation ${operation.id} (${operation.action})`);
        noted = true;
      }
      await sleep(pauseMs, work.signal);
      pauseMs = Math.min(timeouts.pollMs, pauseMs * 1.5);
      operation = await ask(operation.id);
    }
    if (FAILED.has(operation.status)) throw failed(caller, operation);
  }
}

function late({ id, action, status }: NeonOperation, waitedMs: number): LifeboatError {
  return new LifeboatError(
    "PROVIDER_BUSY",
    `Neon's operation ${id} (${action}) is still ${status} after ${Math.round(waitedMs / 1000)} s`,
    {
      details: { operation: id, action, status },
    },
  );
}

function failed(caller: Caller, { id, action, status, error }: NeonOperation): LifeboatError {
  const why = error ? `: ${caller.redact(error)}` : "";
  return new LifeboatError("PROVIDER_FAILED", `Neon's operation ${id} (${action}) ended as ${status}${why}`, {
    details: { operation: id, action, status },
  });
}
