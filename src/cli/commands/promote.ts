// lifeboat promote BRANCH, lifeboat accept JOB

import { formatInstant } from "../../core/duration.ts";
import { isLifeboatError } from "../../core/errors.ts";
import { flag, path, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { accept } from "../../operations/verbs/accept.ts";
import { promote } from "../../operations/verbs/promote.ts";
import { approvalOptions, askApproval } from "../approval-options.ts";
import { defineCommand } from "../command.ts";
import { handOver } from "../hand-over.ts";
import { renderNext } from "../render/restore.ts";
import { renderFacts } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";
import { planOptions } from "../target-option.ts";

export const promoteCommand = defineCommand({
  description:
    "Makes a restored branch the production branch of its source: it is renamed, takes over default and protection, and what was production is kept under another name until 7 days after `accept`.",
  arguments: { branch: { type: text, required: true, help: "The branch, by name or id." } },
  options: {
    source: {
      type: text,
      value: "SOURCE",
      help: "The source it belongs to. Default: the one named with --yes, or the only one whose provider has branches.",
    },
    name: {
      type: text,
      value: "NAME",
      help: "Its new name. Default: the configured name of the production branch, or production-YYYYMMDD.",
    },
    keepAs: { type: text, value: "NAME", help: "Name under which the present production is kept. Default: rollback-YYYYMMDD." },
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." },
    showPassword: { type: flag, help: "Print the connection string with its password." },
    urlFile: { type: path, value: "FILE", help: "Write the connection string, password included, to this file, for its owner only." },
    ...planOptions,
    ...approvalOptions,
  },
  json: true,
  examples: ["lifeboat promote restore-2026-11-21-0600 --yes shop", "lifeboat promote restore-2026-11-21-0600 --source shop --plan"],
  run(call) {
    const { plan, showPassword, urlFile, requestApproval, ...options } = call.options;
    const { paint } = call;
    const request = { ...call.args, ...options, credentials: showPassword || urlFile !== undefined };
    if (plan) return performPlan(call, promote, request, renderPlan);
    if (requestApproval) return askApproval(call, "promote", request);
    return perform(
      call,
      promote,
      request,
      ({ source, place, kept, connection, warnings, next }) =>
        [
          `${paint.green("✓")} ${paint.bold(place.name)} is production of ${source}`,
          renderFacts(
            [
              ["connection", connection.url],
              ["written to", connection.file ?? undefined],
              ["kept", `${kept.name} (${kept.id})`],
              ["warnings", warnings.join("\n")],
            ],
            paint,
          ),
          ...renderNext(next, paint),
        ].join("\n"),
      async (result) => ({ ...result, connection: await handOver(result.connection, { showPassword, urlFile }) }),
    );
  },
});

export const acceptCommand = defineCommand({
  description:
    "Says that what a restore or promotion did is good. A branch, cluster or snapshot that it set aside is deleted by `expire` 7 days later, and never before. A database that it replaced, and that was kept as `NAME_before_…`, is dropped at once, after asking.",
  arguments: { job: { type: text, required: true, help: "Id of the job that restored or promoted, or its beginning." } },
  options: {
    yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." },
    ...planOptions,
    ...approvalOptions,
  },
  json: true,
  async run(call) {
    const { plan, requestApproval, ...options } = call.options;
    const request = { ...call.args, ...options };
    if (plan) return performPlan(call, accept, request, renderPlan);
    if (requestApproval) return askApproval(call, "accept", request);
    const accepted = (yes: string | undefined) =>
      perform(call, accept, { ...request, yes }, ({ job, source, kept, expiresAt }) => {
        const then = expiresAt === null ? "is dropped" : `is kept until ${formatInstant(new Date(expiresAt))}`;
        return `job ${job} of ${source} is accepted; ${kept.name} ${then}`;
      });
    try {
      return await accepted(call.options.yes);
    } catch (error) {
      if (!isLifeboatError(error, "CONFIRMATION_NEEDED") || !call.ask.possible) throw error;
      return accepted(await call.ask.text({ message: `${error.message}. Type the name of its source to continue.`, flag: "--yes" }));
    }
  },
});
