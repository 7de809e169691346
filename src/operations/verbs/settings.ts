// lifeboat plan, lifeboat apply: the provider's settings against the policy, and moved towards it.
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import type { ProviderState } from "../../ports/control.ts";
import type { Context, Source } from "../context.ts";
import { operation } from "../operation.ts";
import { plan as planSchema } from "../recovery/schemas.ts";
import { about, driftSchema, limit, limitJson, settings, sourceName, windowOf } from "../schemas.ts";
import { apply as applySource, hasSettings, planApply } from "../settings/apply.ts";
import { sourceNamed, sourcesNamed } from "../sources.ts";

const state = {
  settings,
  window: windowOf,
  limits: z.array(limit),
  drift: about(z.readonly(z.array(driftSchema)), "Differences between the policy and the settings."),
  warnings: z.readonly(z.array(z.string())),
};

const name = z.optional(about(sourceName, "Default: every source whose provider has settings."));

const planned = z.strictObject({
  sources: z.array(z.strictObject({ name: sourceName, plan: planSchema, ...state })),
});

export const plan = operation({
  name: "plan",
  access: "look",
  request: z.strictObject({ source: name }),
  result: planned,
  run: (context, { source }) => plansOf(context, source, undefined, context.signal),
});

export const apply = operation({
  name: "apply",
  access: "approve",
  oneJob: ({ source }) => source !== undefined,
  request: z.strictObject({ source: name, yes: z.optional(about(z.string(), "The source's name: protection may be lowered.")) }),
  result: z.strictObject({
    sources: z.array(
      z.strictObject({
        name: sourceName,
        applied: z.readonly(z.array(driftSchema)),
        blocked: about(z.readonly(z.array(driftSchema)), "What the provider's plan forbids."),
        ...state,
      }),
    ),
  }),
  plan: { result: planned, run: (context, { source, yes }) => plansOf(context, source, yes, context.signal) },
  async run(context, { source, yes }) {
    const sources = [];
    for (const one of settingsSources(context, source)) {
      const done = await applySource(context, one, { yes }, context);
      sources.push({ name: one.name, applied: done.applied, blocked: done.blocked, ...stateJson(done.state) });
    }
    return { sources };
  },
  // What the plan forbids is not what the policy wants: scripts must be able to tell.
  exit: ({ sources }) => (sources.some(({ blocked }) => blocked.length > 0) ? EXIT.inconclusive : EXIT.done),
});

async function plansOf(context: Context, source: string | undefined, yes: string | undefined, signal: AbortSignal) {
  const sources = [];
  for (const one of settingsSources(context, source)) {
    const found = await planApply(context, one, { yes }, { signal });
    sources.push({ name: one.name, plan: found.plan, ...stateJson(found.state) });
  }
  return { sources };
}

/** The source named, which must have settings, or all that have. */
function settingsSources(context: Context, wanted: string | undefined): Source[] {
  if (wanted === undefined) return sourcesNamed(context, undefined).filter(hasSettings);
  const one = sourceNamed(context, wanted);
  if (hasSettings(one)) return [one];
  throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${wanted} has no settings that a policy could ask for`);
}

const stateJson = (found: ProviderState) => ({
  settings: found.settings,
  window: { earliest: found.window?.earliest.toISOString() ?? null, latest: found.window?.latest.toISOString() ?? null },
  limits: found.limits.map(limitJson),
  drift: found.drift,
  warnings: found.warnings,
});
