// lifeboat plan [SOURCE], lifeboat apply [SOURCE]

import type { Composed } from "../../compose.ts";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { text } from "../../core/option-types.ts";
import { shown } from "../../core/visible.ts";
import type { Source } from "../../operations/context.ts";
import { type Applied, apply, hasSettings, planApply, type SettingsPlan } from "../../operations/settings/apply.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderSettings, stateJson } from "../render/settings.ts";
import { sourceNamed, sourcesNamed, withContext } from "../session.ts";

const source = { type: text, help: "Name of the source. Default: every one whose provider has settings." } as const;
const yes = { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure that protection may be lowered." } as const;

export const planCommand = defineCommand({
  description:
    "What differs between the policy and the provider's settings, what `apply` would do about it, what the provider's plan does not allow and what would, and how much of each limit is used. Changes nothing.",
  arguments: { source },
  options: {},
  json: true,
  examples: ["lifeboat plan", "lifeboat plan shop --json"],
  async run(call) {
    return withContext(call, async (context, watch) => {
      const plans: SettingsPlan[] = [];
      for (const one of settingsSources(context, call.args.source)) plans.push(await planApply(context, one, {}, watch));
      call.emit({ sources: plans.map(planJson) }, () => plans.map((plan) => human(plan, call.paint)).join("\n\n") || NOTHING);
      return EXIT.done;
    });
  },
});

export const applyCommand = defineCommand({
  description:
    "Moves the provider's settings towards the policy: history window, protection of the production branch, the provider's own snapshot schedule. Doing it twice changes nothing the second time. What would lower protection needs --yes.",
  arguments: { source },
  options: { yes },
  json: true,
  examples: ["lifeboat apply shop"],
  async run(call) {
    return withContext(call, async (context, watch) => {
      const results: Applied[] = [];
      for (const one of settingsSources(context, call.args.source)) results.push(await apply(context, one, call.options, watch));
      call.emit({ sources: results.map(appliedJson) }, () => results.map((result) => applied(result, call.paint)).join("\n\n") || NOTHING);
      // What the plan forbids is not what the policy wants: scripts must be able to tell.
      return results.some(({ blocked }) => blocked.length > 0) ? EXIT.inconclusive : EXIT.done;
    });
  },
});

const NOTHING = "no source has a provider with settings of its own";

/** The source named, which must have settings, or all that have. */
function settingsSources(context: Composed, name: string | undefined): Source[] {
  if (name === undefined)
    return sourcesNamed(context, undefined)
      .filter(({ managed }) => managed === true)
      .filter(hasSettings);
  const one = sourceNamed(context, name);
  if (hasSettings(one)) return [one];
  throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${name} has no settings that a policy could ask for`);
}

const planJson = ({ source: name, plan, state }: SettingsPlan) => ({
  name,
  ...stateJson(state),
  steps: plan.steps,
  refusals: plan.refusals,
});
const appliedJson = ({ source: name, applied: done, blocked, state }: Applied) => ({ name, applied: done, blocked, ...stateJson(state) });

function human(given: SettingsPlan, paint: Paint): string {
  const { source: name, plan, state } = shown(given);
  const steps = plan.steps.map(({ what }) => `  ${paint.yellow("~")} ${what}`);
  const refused = plan.refusals.map(({ message }) => `  ${paint.yellow("!")} ${message}: \`lifeboat apply ${name}\` needs --yes ${name}`);
  const lines = steps.length === 0 ? [nothingToApply(state, paint)] : steps;
  return [paint.bold(name), ...lines, ...refused, ...renderSettings(state, paint)].join("\n");
}

/** Green only where everything is as the policy wants it. */
function nothingToApply({ drift }: SettingsPlan["state"], paint: Paint): string {
  const blocked = drift.filter((one) => one.blocked !== undefined).length;
  if (blocked === 0) return `  ${paint.green("✓")} nothing to apply`;
  const things = blocked === 1 ? "1 thing is" : `${blocked} things are`;
  return `  ${paint.yellow("?")} ${things} not as the policy wants, and \`apply\` cannot mend that:`;
}

function applied(result: Applied, paint: Paint): string {
  const { source: name, applied: done, state } = shown(result);
  const lines = done.length === 0 ? [nothingToApply(state, paint)] : done.map(({ message }) => `  ${paint.green("✓")} ${message}`);
  return [paint.bold(name), ...lines, ...renderSettings(state, paint)].join("\n");
}
