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

/** Makes a branch at the target. Its name carries the job's id, it expires by itself, and `end` removes it. */
export async function beginScratchBranch(
  context: Context,
  source: Source,
  job: Job,
  target: HistoryTarget,
  watch: Watch,
): Promise<ScratchBranch & { end(): Promise<void> }> {
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
  return {
    ...branch,
    async end() {
      await job.cleanUp(() => history.remove(branch.id));
      await job.withdraw(branch.resource);
    },
  };
}

/** Runs `use` with a branch at the target, which is removed when this returns or throws. */
export async function inScratchBranch<T>(
  context: Context,
  source: Source,
  job: Job,
  target: HistoryTarget,
  watch: Watch,
  use: (branch: ScratchBranch) => Promise<T>,
): Promise<T> {
  const branch = await beginScratchBranch(context, source, job, target, watch);
  return removing(branch.end, () => use(branch));
}

/** One place for several targets, one after another: restored over where the provider can, else made anew. `end` removes it. */
export function scratchPlace(context: Context, source: Source, watch: Watch) {
  let place: Awaited<ReturnType<typeof beginScratchBranch>> | undefined;
  const end = async (): Promise<void> => {
    const made = place;
    place = undefined;
    await made?.end();
  };
  return {
    end,
    async at(target: HistoryTarget, job: Job): Promise<Connection> {
      const history = historyControl(source);
      const over = history.over?.bind(history);
      if (place !== undefined && over !== undefined) {
        const { name } = place;
        const work = { signal: job.signal, progress: watch.progress };
        return (await job.step("restore", () => over({ name, target, ...work }))).connection;
      }
      await end();
      place = await beginScratchBranch(context, source, job, target, watch);
      return place.connection;
    },
  };
}

/** The first cause is thrown: what could not be removed is still in the journal, and the end of the job tries again. */
export async function removing<T>(remove: () => Promise<void>, use: () => Promise<T>): Promise<T> {
  let value: T;
  try {
    value = await use();
  } catch (error) {
    await remove().catch(() => undefined);
    throw error;
  }
  await remove();
  return value;
}
