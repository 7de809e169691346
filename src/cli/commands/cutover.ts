// lifeboat cutover SOURCE --to NAME
import { readSecretFile } from "../../config/secret-file.ts";
import { listOf } from "../../core/option.ts";
import { flag, path, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { cutover } from "../../operations/verbs/cutover.ts";
import { approvalOptions, askApproval } from "../approval-options.ts";
import { defineCommand } from "../command.ts";
import { renderFacts } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";
import { planOptions } from "../target-option.ts";

export const cutoverCommand = defineCommand({
  description:
    "Changes the connection string where the application reads it (`cutover` of the configuration), makes the application read it, and waits for `health` of the source. The present value is read first. When the application does not come up, it is pointed back, and the command fails. What is restored in place keeps its connection string and needs no cut-over.",
  arguments: { source: { type: text, required: true, help: "Name of the source." } },
  options: {
    to: {
      type: text,
      value: "NAME",
      help: "A database on the source's server, or a branch or cluster at its provider. User, password and parameters of the application's connection string stay.",
    },
    urlFile: { type: path, value: "FILE", help: "A file that holds the whole connection string instead, readable by its owner only." },
    back: {
      type: flag,
      help: "Point the application where it was before the last cut-over. Its stored value is used, so this needs the identity.",
    },
    only: { type: listOf(text), value: "A,B", help: "Only these cut-overs of the configuration. Default: all of the source." },
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." },
    ...planOptions,
    ...approvalOptions,
  },
  json: true,
  examples: [
    "lifeboat cutover shop --to shop_new --plan",
    "lifeboat cutover shop --to shop_new --yes shop",
    "lifeboat cutover shop --back --yes shop",
  ],
  run(call) {
    const { plan, urlFile, requestApproval, ...options } = call.options;
    const url = urlFile === undefined ? undefined : readSecretFile(urlFile);
    const request = { ...call.args, ...options, url };
    if (plan) return performPlan(call, cutover, request, renderPlan);
    if (requestApproval) return askApproval(call, "cutover", request);
    const { paint } = call;
    return perform(call, cutover, request, ({ source, to, cutovers, verdict, message }) =>
      [
        `${paint.verdict(verdict)}  the application of ${paint.bold(source)} reads ${to}`,
        renderFacts(
          [
            ...cutovers.map(
              ({ name, variable, changed }) => [name, `${variable} ${changed ? "is changed" : "was right already"}`] as const,
            ),
            ["health", message],
          ],
          paint,
        ),
        ...(cutovers.some(({ changed }) => changed)
          ? [paint.dim(`next: lifeboat cutover ${source} --back --yes ${source}   (to point it back)`)]
          : []),
      ].join("\n"),
    );
  },
});
