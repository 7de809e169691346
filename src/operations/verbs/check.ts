// lifeboat check: configuration, repository, key, tools and sources, tried out.
import * as z from "zod/mini";
import { nextOf } from "../../core/hints.ts";
import { operation, worstOf } from "../operation.ts";
import { about, exitOf, nextAction, orNull, sourceName, verdict } from "../schemas.ts";
import { sourcesNamed } from "../sources.ts";
import { checkRepository, checkSource } from "../watch/check.ts";
import { checkChannels } from "../watch/check-channels.ts";
import { checkErasures } from "../watch/check-erasures.ts";

export const check = operation({
  name: "check",
  access: "look",
  request: z.strictObject({ source: z.optional(about(sourceName, "Default: all.")) }),
  result: z.strictObject({
    verdict,
    findings: z.array(
      z.strictObject({
        name: z.string(),
        outcome: verdict,
        message: z.string(),
        code: about(orNull(z.string()), "Stable: of an error as in docs/errors.md, or of a health reason."),
        next: about(orNull(nextAction), "For anything but a pass."),
      }),
    ),
  }),
  async run(context, { source }) {
    const findings = [...(await checkRepository(context, context)), ...(await checkChannels(context))];
    for (const one of sourcesNamed(context, source))
      findings.push(...(await checkSource(context, one, context)), ...(await checkErasures(context, one, context)));
    return {
      verdict: worstOf(findings.map(({ outcome }) => outcome)),
      findings: findings.map(({ name, outcome, message, code, next }) => ({
        name,
        outcome,
        message,
        code: code ?? null,
        next: next === undefined ? null : nextOf(next),
      })),
    };
  },
  exit: ({ verdict: found }) => exitOf(found),
});
