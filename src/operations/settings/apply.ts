// Apply: the provider's settings moved towards the policy. `plan` says what that would be, and what the provider's plan forbids.
import { LifeboatError } from "../../core/errors.ts";
import type { Plan, PlanStep } from "../../core/plan.ts";
import type { Drift, ProviderState, SettingsControl } from "../../ports/control.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";

export interface SettingsPlan {
  readonly source: string;
  readonly state: ProviderState;
  /** What `apply` would do; refusals: what needs --yes, or cannot be. */
  readonly plan: Plan;
}

export interface Applied {
  readonly source: string;
  readonly applied: readonly Drift[];
  /** What the provider's plan forbids, with what would allow it. */
  readonly blocked: readonly Drift[];
  readonly state: ProviderState;
}

export function settingsControl(source: Source): SettingsControl {
  const settings = source.managed === true ? source.provider.settings : undefined;
  if (settings !== undefined) return settings;
  throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} has no settings that a policy could ask for`);
}

/** Whether a policy has anything to say to the provider of this source. */
export const hasSettings = (source: Source): boolean => source.managed === true && source.provider.settings !== undefined;

/** The drift of the settings, and what `apply` would do about it. Changes nothing. */
export async function planApply(
  _context: Context,
  source: Source,
  request: { readonly yes?: string | undefined },
  watch: Pick<Watch, "signal">,
): Promise<SettingsPlan> {
  const state = await settingsControl(source).read(watch);
  const steps = state.drift.filter(({ blocked }) => blocked === undefined).map(stepOf);
  const lowering = lowered(state).filter(() => request.yes !== source.name);
  const refusals = lowering.map(({ message }) => ({ code: "CONFIRMATION_NEEDED" as const, message: `${message} lowers protection` }));
  return { source: source.name, state, plan: { verb: "apply", source: source.name, steps, refusals } };
}

const stepOf = ({ message, setting }: Drift): PlanStep => ({
  action: "set",
  subject: message,
  effect: "change",
  reason: `${setting} differs from the policy`,
});

const lowered = (state: ProviderState): Drift[] => state.drift.filter(({ lowers, blocked }) => lowers === true && blocked === undefined);

/** Carries the plan out. CONFIRMATION_NEEDED when it would lower protection without `yes`. Without steps, nothing is done. */
export async function apply(
  context: Context,
  source: Source,
  request: { readonly yes?: string | undefined },
  watch: Watch,
): Promise<Applied> {
  const control = settingsControl(source);
  const { plan, state } = await planApply(context, source, request, watch);
  const [refusal] = plan.refusals;
  if (refusal !== undefined) {
    throw new LifeboatError(refusal.code, `${source.name}: ${refusal.message}`, {
      hint: `repeat the command with --yes ${source.name} when you are sure`,
    });
  }
  const blocked = state.drift.filter((drift) => drift.blocked !== undefined);
  if (plan.steps.length === 0) return { source: source.name, applied: [], blocked, state };
  return runJob(
    context,
    { verb: "apply", source: source.name, exclusive: true },
    watch,
    async (job) => {
      const work = { signal: job.signal, progress: watch.progress };
      const applied: Drift[] = [];
      // Asked anew under the lease: another apply may just have ended.
      for (const drift of (await control.read(work)).drift) {
        if (drift.blocked !== undefined || (drift.lowers === true && request.yes !== source.name)) continue;
        await job.step(drift.setting, () => control.apply(drift, work));
        applied.push(drift);
      }
      const after = await job.step("check", () => control.read(work));
      const left = after.drift.filter(({ blocked: why, setting }) => why === undefined && applied.some((one) => one.setting === setting));
      if (left.length > 0)
        throw new LifeboatError(
          "PROVIDER_FAILED",
          `${source.name}: the provider took it and did not change: ${left.map(({ message }) => message).join("; ")}`,
        );
      return { source: source.name, applied, blocked: after.drift.filter((drift) => drift.blocked !== undefined), state: after };
    },
    ({ applied }) => ({ applied: applied.length }),
  );
}
