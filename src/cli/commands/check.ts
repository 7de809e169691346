// lifeboat check [SOURCE]
import { text } from "../../core/option-types.ts";
import { check } from "../../operations/verbs/check.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

export const checkCommand = defineCommand({
  description:
    "Configuration, repository, key, tools and sources, tried out: everything a backup or a restore will need, before it needs it. Changes nothing.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {},
  json: true,
  run: (call) =>
    perform(call, check, call.args, ({ findings }) =>
      findings
        .map(
          ({ name, outcome, message, next }) =>
            `${call.paint.verdict(outcome)}  ${name}: ${message}${next === null ? "" : `\n    next: ${next.text}`}`,
        )
        .join("\n"),
    ),
});
