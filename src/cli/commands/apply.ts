// lifeboat plan [SOURCE], lifeboat apply [SOURCE]
import type * as z from "zod/mini";
import { text } from "../../core/option-types.ts";
import { stepInWords } from "../../core/plan.ts";
import { apply, plan } from "../../operations/verbs/settings.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderSettings } from "../render/settings.ts";
import { perform } from "../session.ts";

const source = { type: text, help: "Name of the source. Default: every one whose provider has settings." } as const;
const yes = { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure that protection may be lowered." } as const;

export const planCommand = defineCommand({
  description:
    "What differs between the policy and the provider's settings, what `apply` would do about it, what the provider's plan does not allow and what would, and how much of each limit is used. Changes nothing.",
  arguments: { source },
  options: {},
  json: true,
  examples: ["lifeboat plan", "lifeboat plan shop --json"],
  run: (call) =>
    perform(call, plan, call.args, ({ sources }) => sources.map((one) => renderPlanned(one, call.paint)).join("\n\n") || NOTHING),
});

export const applyCommand = defineCommand({
  description:
    "Moves the provider's settings towards the policy: history window, protection of the production branch, the provider's own snapshot schedule. Doing it twice changes nothing the second time. What would lower protection needs --yes.",
  arguments: { source },
  options: { yes },
  json: true,
  examples: ["lifeboat apply shop"],
  run: (call) =>
    perform(
      call,
      apply,
      { ...call.args, ...call.options },
      ({ sources }) => sources.map((one) => renderApplied(one, call.paint)).join("\n\n") || NOTHING,
    ),
});

const NOTHING = "no source has a provider with settings of its own";

type Planned = z.infer<typeof plan.result>["sources"][number];
type Applied = z.infer<typeof apply.result>["sources"][number];

function renderPlanned(found: Planned, paint: Paint): string {
  const { name, plan: planned } = found;
  const steps = planned.steps.map((step) => `  ${paint.yellow("~")} ${stepInWords(step)}`);
  const refused = planned.refusals.map(
    ({ message }) => `  ${paint.yellow("!")} ${message}: \`lifeboat apply ${name}\` needs --yes ${name}`,
  );
  const lines = steps.length === 0 ? [nothingToApply(found, paint)] : steps;
  return [paint.bold(name), ...lines, ...refused, ...renderSettings(found, paint)].join("\n");
}

/** Green only where every setting is as the policy wants it. */
function nothingToApply({ drift }: Pick<Planned, "drift">, paint: Paint): string {
  const blocked = drift.filter((one) => one.blocked !== undefined).length;
  if (blocked === 0) return `  ${paint.green("✓")} nothing to apply`;
  const things = blocked === 1 ? "1 setting is" : `${blocked} settings are`;
  return `  ${paint.yellow("?")} ${things} not as the policy wants, and \`apply\` cannot change that:`;
}

function renderApplied(found: Applied, paint: Paint): string {
  const { name, applied } = found;
  const lines = applied.length === 0 ? [nothingToApply(found, paint)] : applied.map(({ message }) => `  ${paint.green("✓")} ${message}`);
  return [paint.bold(name), ...lines, ...renderSettings(found, paint)].join("\n");
}
