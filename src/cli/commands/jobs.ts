// lifeboat jobs, lifeboat jobs recover
import { integer } from "../../config/types.ts";
import { formatDuration, formatInstant } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { shown } from "../../core/visible.ts";
import { recoverJobs } from "../../operations/recover.ts";
import { nameOfStray, recoverStrays, type StrayOutcome } from "../../operations/strays.ts";
import { type JobRecord, jobsSince } from "../../repository/journal.ts";
import { isAbandoned, listLeases } from "../../repository/leases.ts";
import { defineCommand } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { withWorkshop } from "../session.ts";

export const jobsCommand = defineCommand({
  description:
    "The newest jobs: what ran, how it ended, how long each took. A job whose process died is `abandoned` until the next start, or `jobs recover`, cleans up after it.",
  arguments: {},
  options: { limit: { type: integer(1), default: 20, value: "N", help: "How many." } },
  json: true,
  async run(context) {
    return withWorkshop(context, async (workshop) => {
      const { storage } = workshop.repository;
      const now = context.clock.now();
      const dead = new Set((await listLeases(storage)).filter(({ record }) => isAbandoned(record, now)).map(({ record }) => record.job));
      const jobs: JobRecord[] = [];
      for await (const job of jobsSince(storage, new Date(0), context.signal)) {
        jobs.push(job);
        if (jobs.length === context.options.limit) break;
      }
      const stateOf = (job: JobRecord): string => (job.state === "running" && dead.has(job.id) ? "abandoned" : job.state);
      context.emit({ jobs: jobs.map((job) => ({ ...job, state: stateOf(job) })) }, () => {
        if (jobs.length === 0) return "no jobs yet";
        const rows = shown(jobs).map((job) => [
          job.id,
          job.verb,
          job.source,
          formatInstant(new Date(job.startedAt)),
          job.endedAt ? formatDuration(Date.parse(job.endedAt) - Date.parse(job.startedAt)) : "",
          stateOf(job),
          job.error
            ? `${job.error.code}: ${job.error.message}`
            : Object.entries(job.result ?? {})
                .map(([key, value]) => `${key} ${value}`)
                .join(", "),
        ]);
        return renderTable(
          ["id", "job", "source", "begun", "took", "state", "result"].map((title) => ({ title })),
          rows,
          { paint: context.paint },
        );
      });
      return EXIT.done;
    });
  },
});

export const jobsRecover = defineCommand({
  description:
    "Cleans up after jobs whose process died, as every start of a job does by itself. It also looks at the providers for scratch clusters that no job is responsible for: those that jobs of this repository made are removed, others are named.",
  arguments: {},
  options: {},
  json: true,
  async run(context) {
    return withWorkshop(context, async (workshop, watch) => {
      const recovered = await recoverJobs(workshop, watch.progress);
      const strays = await recoverStrays(workshop, watch);
      const lines = [
        ...recovered.map(
          ({ job, verb, source, left }) =>
            `${job}  ${verb} of ${source}: ${left.length === 0 ? "cleaned up" : `${left.length} things are still there`}`,
        ),
        ...strays.map(({ source, message }) => `${source}: ${message}`),
      ];
      context.emit({ recovered, strays: strays.map(strayJson) }, () =>
        lines.length === 0 ? "nothing to clean up" : shown(lines).join("\n"),
      );
      const left = recovered.some((one) => one.left.length > 0) || strays.some(({ outcome }) => outcome !== "removed");
      return left ? EXIT.inconclusive : EXIT.done;
    });
  },
});

const strayJson = (stray: StrayOutcome) => {
  const { source, job, outcome, message, resource } = stray;
  return { source, job, name: nameOfStray(stray), kind: resource.kind, outcome, message };
};
