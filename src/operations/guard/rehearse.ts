// A trial: the command runs against a scratch copy of the point, and what it does there is measured.
import { LifeboatError } from "../../core/errors.ts";
import type { TableLock } from "../../ports/probe.ts";
import type { ProgramEnd, Programs } from "../../ports/programs.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { resolve } from "../recovery/resolve.ts";
import { withRestoredCopy } from "../recovery/restored-copy.ts";
import { changeInWords, type GuardPoint } from "./point.ts";

export interface GuardedCommand extends Pick<ProgramEnd, "status" | "signal"> {
  readonly ms: number;
}

export interface Trial {
  readonly command: GuardedCommand;
  /** What it changed in the copy, one sentence each. */
  readonly changes: readonly string[];
  /** Locks that keep the application waiting, as far as they were seen. Undefined: the engine does not show them. */
  readonly locks?: readonly TableLock[] | undefined;
}

interface Order {
  readonly point: GuardPoint;
  /** Variables that name the database. */
  readonly variables: readonly string[];
  readonly command: readonly string[];
  readonly output: "stdout" | "stderr";
}

export async function rehearse(
  context: Context,
  source: Source,
  { point, variables, command: argv, output }: Order,
  programs: Programs,
  job: Job,
  watch: Watch,
): Promise<Trial> {
  const missing = variables.length === 0;
  if (missing)
    throw new LifeboatError("USAGE", "a trial must know the variable that names the database", { hint: "add --env DATABASE_URL" });
  const { route } = await resolve(context, source, { kind: "point", name: point.id }, watch, {});
  const { clock } = context;
  return withRestoredCopy(context, source, route, job, watch, false, async (copy) => {
    const connection = copy.connection();
    const work = { signal: job.signal, progress: watch.progress };
    const scope = { kind: "full" } as const;
    const before = await job.step("read copy", () => source.engine.fingerprint(connection, scope, work));
    const locks = source.engine.watchLocks?.(connection, work);
    const startedMs = clock.monotonicMs();
    const env = Object.fromEntries(variables.map((name) => [name, connection.url]));
    const ended = await job
      .step("rehearse", () => programs.run({ argv, env, output, mark: job.id, signal: job.signal }))
      .catch(async (error: unknown) => {
        await locks?.then(({ end }) => end());
        throw error;
      });
    const ms = clock.monotonicMs() - startedMs;
    const seen = await locks?.then(({ end }) => end());
    const after = await job.step("compare copy", () => source.engine.fingerprint(connection, scope, work));
    const changes = source.engine.compare(before, after, {}).filter(({ outcome }) => outcome !== "pass");
    return {
      command: { status: ended.status, signal: ended.signal, ms },
      changes: changes.map(changeInWords),
      locks: seen,
    };
  });
}
