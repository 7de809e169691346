// lifeboat promote BRANCH, lifeboat accept JOB

import { formatInstant } from "../../core/duration.ts";
import { EXIT, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { flag, path, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { shown, visible } from "../../core/visible.ts";
import { accept } from "../../operations/recovery/accept.ts";
import { planPromote, promote } from "../../operations/recovery/promote.ts";
import { defineCommand } from "../command.ts";
import { connectionJson, handOver } from "../hand-over.ts";
import { renderFacts } from "../render/table.ts";
import { sourceNamed, withContext } from "../session.ts";

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
    plan: { type: flag, help: "Say what would be done, and do nothing." },
  },
  json: true,
  examples: ["lifeboat promote restore-2026-11-21-0600 --yes shop", "lifeboat promote restore-2026-11-21-0600 --source shop --plan"],
  async run(call) {
    const { options, args, paint } = call;
    return withContext(call, async (context, watch) => {
      const managed = [...context.sources.values()].filter((one) => one.managed === true).map(({ name }) => name);
      const wanted = options.source ?? options.yes ?? (managed.length === 1 ? managed[0] : undefined);
      if (wanted === undefined) throw new LifeboatError("USAGE", "say which source the branch belongs to, with --source or --yes");
      const source = sourceNamed(context, wanted);
      const request = { branch: args.branch, name: options.name, keepAs: options.keepAs, yes: options.yes };
      if (options.plan) {
        const plan = await planPromote(context, source, request, watch);
        call.emit(plan, () => renderPlan(plan));
        return plan.refusals.length > 0 ? EXIT.usage : EXIT.done;
      }
      const done = await promote(context, source, request, watch);
      const { url, file } = await handOver(done.connection, options);
      const value = {
        job: done.job,
        source: source.name,
        branch: done.name,
        kept: done.kept,
        warnings: done.warnings,
        ...connectionJson(done.connection, { url, file }),
      };
      const { name, kept, warnings } = shown({ name: done.name, kept: done.kept, warnings: done.warnings });
      call.emit(value, () =>
        [
          `${paint.green("✓")} ${paint.bold(name)} is production of ${source.name}`,
          renderFacts(
            [
              ["connection", url],
              ["written to", file],
              ["kept", `${kept.name} (${kept.id}), until 7 days after \`lifeboat accept ${done.job}\``],
              ["warnings", warnings.join("\n")],
            ],
            paint,
          ),
        ].join("\n"),
      );
      return EXIT.done;
    });
  },
});

export const acceptCommand = defineCommand({
  description:
    "Says that what a restore or promotion did is good. A branch, cluster or snapshot that it set aside is deleted by `expire` 7 days later, and never before. A database that it replaced, and that was kept as `NAME_before_…`, is dropped at once, after asking.",
  arguments: { job: { type: text, required: true, help: "Id of the job that restored or promoted, or its beginning." } },
  options: { yes: { type: text, value: "SOURCE", help: "The source's name, typed again: you are sure." } },
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const request = { job: call.args.job, yes: call.options.yes };
      const { job, source, kept, acceptedAt, expiresAt } = await accept(context, request, watch).catch(async (error: unknown) => {
        if (!isLifeboatError(error, "CONFIRMATION_NEEDED") || !call.ask.possible) throw error;
        const yes = await call.ask.text({ message: `${error.message}. Type the name of its source to go on.`, flag: "--yes" });
        return accept(context, { ...request, yes }, watch);
      });
      const value = { job, source, kept, acceptedAt: acceptedAt.toISOString(), expiresAt: expiresAt?.toISOString() ?? null };
      const then = expiresAt === undefined ? "is dropped" : `is kept until ${formatInstant(expiresAt)}`;
      call.emit(value, `job ${job} of ${source} is accepted; ${visible(kept.name)} ${then}`);
      return EXIT.done;
    });
  },
});
