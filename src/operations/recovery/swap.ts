// A restored database takes the name of the source's own: services are stopped meanwhile, the application must come up, and when it does
// not, the databases change places again.
import type { Check } from "../../core/verdict.ts";
import type { Context, Source, Watch } from "../context.ts";
import { awaitHealth, healthInWords } from "../cutover/health.ts";
import { runHook } from "../jobs/hooks.ts";
import type { Job } from "../jobs/job.ts";
import { databaseMark, RESOURCE } from "../jobs/undo.ts";
import type { DatabaseState } from "./database-plan.ts";
import { takeName } from "./fresh.ts";

export interface Swapped {
  /** What is kept of the replaced database, until `accept`. */
  readonly kept?: string | undefined;
  readonly checks: readonly Check[];
  readonly remarks: readonly string[];
}

/** HOOK_FAILED: services could not be stopped, and nothing was swapped. */
export async function swap(
  context: Context,
  source: Source,
  state: Pick<DatabaseState, "place" | "exists" | "only">,
  fresh: string,
  job: Job,
  watch: Watch,
): Promise<Swapped> {
  const { hooks, health } = source;
  const services = RESOURCE.services(source.name);
  const stopped = async (act: () => Promise<string | undefined>): Promise<string | undefined> => {
    if (hooks === undefined) return act();
    await job.declare(services);
    await job.step("stop", () => runHook(context, source, "stop", job.signal));
    const done = await act();
    await job.step("start", () => runHook(context, source, "start", job.signal));
    await job.withdraw(services);
    return done;
  };
  const kept = await stopped(() => takeName(source, state, fresh, job, context.clock.now()));
  job.decide(`the restored database is ${state.place.database}`, kept === undefined ? undefined : `the former one is ${kept}`);
  if (health === undefined) return { kept, checks: [], remarks: [] };
  const words = healthInWords(health);
  const { ok, said, waitedMs } = await job.step("health", () => awaitHealth(health, context.clock, { ...watch, signal: job.signal }));
  const check: Check = { name: words, kind: "probe", outcome: ok ? "pass" : "fail", message: said };
  if (ok) return { kept, checks: [{ ...check, message: `${said} after ${(waitedMs / 1000).toFixed(1)} s` }], remarks: [] };
  const failed = { ...check, message: `${said} for ${health.timeoutMs / 1000} s` };
  if (kept === undefined || !source.engine.renamesDatabases)
    return {
      kept,
      checks: [failed],
      remarks: [`the restored database stays: ${kept === undefined ? "there is no former one" : `the former one is ${kept}`}`],
    };
  const aside = `lifeboat_${job.id}`;
  job.decide("the databases change places again", `the application did not come up: ${words} ${failed.message}`);
  await stopped(async () => {
    const { server, database } = state.place;
    const keep = { name: aside, mark: databaseMark(job.maker, server.label, aside) };
    await job.step("swap back", () => source.engine.takeName(server, kept, database, { keep, signal: job.signal }));
    return undefined;
  });
  const again = await job.step("health again", () => awaitHealth(health, context.clock, { ...watch, signal: job.signal }));
  const former = again.ok ? "is up on the former database again" : `has its former database again, and ${words} ${again.said}`;
  return { checks: [failed], remarks: [`the application did not come up; it ${former}; what was restored is ${aside}`] };
}
