// The source's own database as the destination of a restore: what is done around the swap.
import type { PlanStep } from "../../core/plan.ts";
import type { RestoreTarget } from "../../ports/restore-target.ts";
import type { Source, Watch } from "../context.ts";
import { healthInWords } from "../cutover/health.ts";
import type { HookName } from "../jobs/hooks.ts";

/** Whether the place is the source's own database, which an application uses. */
export async function isProduction(source: Source, place: RestoreTarget, watch: Watch): Promise<boolean> {
  if (source.hooks === undefined && source.health === undefined) return false; // nothing would be done about it
  const own = await source.provider.connection(watch).catch(() => undefined);
  return own !== undefined && source.engine.resolveTarget(undefined, own.url).connection.label === place.connection.label;
}

/** What a swap does besides giving the name. */
export function swapSteps({ hooks, health }: Source): { readonly before: readonly PlanStep[]; readonly after: readonly PlanStep[] } {
  const hook = (name: HookName): PlanStep[] => {
    const argv = hooks?.[name];
    return argv === undefined ? [] : [{ action: "hook", subject: argv.join(" "), effect: "change", reason: `hooks.${name} of the source` }];
  };
  const wait: PlanStep[] =
    health === undefined
      ? []
      : [
          {
            action: "await-health",
            subject: healthInWords(health),
            effect: "none",
            reason: `at most ${health.timeoutMs / 1000} s; else it is swapped back`,
          },
        ];
  return { before: hook("stop"), after: [...hook("start"), ...wait] };
}
