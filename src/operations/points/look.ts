// Reads a provider's point: the branch itself where it is one, else a scratch branch that is removed afterwards.

import { LifeboatError } from "../../core/errors.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Branch, HistoryControl, HistoryTarget, ProviderSnapshot } from "../../ports/control.ts";
import type { Resource } from "../../ports/resource.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";

/** The provider removes a scratch branch by itself after this long, even when this process is gone. */
export const SCRATCH_TERM_MS = 6 * 3_600_000;

export function historyControl(source: Source): HistoryControl {
  const { history } = source.provider;
  if (history !== undefined) return history;
  throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} has no history of its own`, {
    hint: `restore a backup: \`lifeboat restore ${source.name} --into NAME\``,
  });
}

/** Runs `look` with a database that holds the point's data. */
export async function lookInto<T>(
  context: Context,
  source: Source,
  job: Job,
  snapshot: ProviderSnapshot,
  watch: Watch,
  look: (connection: Connection) => Promise<T>,
): Promise<T> {
  const work = { signal: job.signal, progress: watch.progress };
  const direct = await source.provider.snapshots?.connection(snapshot, work);
  if (direct !== undefined) return look(direct);
  const target = { kind: "snapshot", id: snapshot.id, form: snapshot.form } as const;
  return inScratchBranch(context, source, job, target, watch, (branch) => look(branch.connection));
}

export type ScratchBranch = Branch & { readonly resource: Resource };

/** A branch at the target that is gone when this returns or throws; its name carries the job's id, and it expires by itself. */
export async function inScratchBranch<T>(
  context: Context,
  source: Source,
  job: Job,
  target: HistoryTarget,
  watch: Watch,
  use: (branch: ScratchBranch) => Promise<T>,
): Promise<T> {
  const history = historyControl(source);
  const branch = await job.step("create", () =>
    history.branch({
      name: history.scratchName(job.maker),
      maker: job.maker,
      target,
      expiresAt: new Date(context.clock.now().getTime() + SCRATCH_TERM_MS),
      declare: (resource) => job.declare(resource),
      signal: job.signal,
      progress: watch.progress,
    }),
  );
  const remove = async (): Promise<void> => {
    await job.cleanUp(() => history.remove(branch.id));
    await job.withdraw(branch.resource);
  };
  let value: T;
  try {
    value = await use(branch);
  } catch (error) {
    await remove().catch(() => undefined); // the journal still has it, and the end of the job tries again: the first cause is told
    throw error;
  }
  await remove();
  return value;
}
