// lifeboat check [SOURCE]

import { EXIT } from "../../core/errors.ts";
import { text } from "../../core/option-types.ts";
import { shown } from "../../core/visible.ts";
import { checkRepository, checkSource } from "../../operations/watch/check.ts";
import { defineCommand } from "../command.ts";
import { sourcesNamed, withContext } from "../session.ts";

export const checkCommand = defineCommand({
  description:
    "Configuration, repository, key, tools and sources, tried out: everything a backup or a restore will need, before it needs it. Changes nothing.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {},
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const findings = await checkRepository(context, watch);
      for (const source of sourcesNamed(context, call.args.source)) findings.push(...(await checkSource(context, source, watch)));
      const outcomes = findings.map(({ outcome }) => outcome);
      const verdict = outcomes.includes("fail") ? "fail" : outcomes.includes("inconclusive") ? "inconclusive" : "pass";
      call.emit({ verdict, configuration: call.configFile, findings }, () =>
        shown(findings)
          .map(
            ({ name, outcome, message, next }) => `${call.paint.verdict(outcome)}  ${name}: ${message}${next ? `\n    next: ${next}` : ""}`,
          )
          .join("\n"),
      );
      return { pass: EXIT.done, fail: EXIT.failed, inconclusive: EXIT.inconclusive }[verdict];
    });
  },
});
