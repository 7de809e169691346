// lifeboat jobs, lifeboat jobs recover

import { formatDuration, formatInstant } from "../../core/duration.ts";
import { EXIT } from "../../core/errors.ts";
import { flag, integer, text } from "../../core/option-types.ts";
import { shown } from "../../core/visible.ts";
import { bringOver } from "../../operations/jobs/bring-over.ts";
import { holdersOf, placesOf } from "../../operations/jobs/holders.ts";
import { nameOfOrphan, type OrphanOutcome, recoverOrphans } from "../../operations/jobs/orphans.ts";
import { discardFlaws, recoverJobs } from "../../operations/jobs/recover.ts";
import { resourceInWords } from "../../operations/jobs/undo.ts";
import { type JobRecord, jobsSince } from "../../repository/journal.ts";
import { defineCommand } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { withContext } from "../session.ts";

export const jobsCommand = defineCommand({
  description:
    "The newest jobs: what ran, how it ended, how long each took. A job whose process died is `abandoned` until the next start, or `jobs recover`, cleans up after it.",
  arguments: {},
  options: {
    source: { type: text, value: "NAME", help: "Only those of this source." },
    failed: { type: flag, help: "Only those that failed, or whose process died." },
    limit: { type: integer(1), default: 20, value: "N", help: "How many." },
  },
  json: true,
  examples: ["lifeboat jobs --source shop --failed"],
  async run(call) {
    return withContext(call, async (context) => {
      const { holders, flaws } = await holdersOf(context, call.signal);
      const dead = new Set(holders.flatMap(({ record, abandoned }) => (abandoned ? [record.job] : [])));
      const { source, failed, limit } = call.options;
      const stateOf = (job: JobRecord): string => (job.state === "running" && dead.has(job.id) ? "abandoned" : job.state);
      const isWanted = (job: JobRecord): boolean =>
        (source === undefined || job.source === source) && (!failed || ["failed", "abandoned"].includes(stateOf(job)));
      const jobs: JobRecord[] = [];
      for (const place of await placesOf(context)) {
        let taken = 0;
        for await (const job of jobsSince(place, new Date(0), call.signal)) {
          if (!isWanted(job)) continue;
          jobs.push(job);
          if (++taken === limit) break;
        }
      }
      jobs.sort((a, b) => (a.startedAt > b.startedAt ? -1 : 1)).splice(limit);
      const messages = flaws.map(({ message }) => message);
      call.emit({ jobs: jobs.map((job) => ({ ...job, state: stateOf(job) })), flaws: messages }, () => {
        if (jobs.length === 0) return [source === undefined && !failed ? "no jobs yet" : "no such jobs", ...shown(messages)].join("\n");
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
        const table = renderTable(
          ["id", "job", "source", "begun", "took", "state", "result"].map((title) => ({ title })),
          rows,
          { paint: call.paint },
        );
        return [table, ...shown(messages)].join("\n");
      });
      return EXIT.done;
    });
  },
});

export const jobsRecover = defineCommand({
  description:
    "Cleans up after jobs whose process died, as every start of a job does by itself. It also looks at the providers for scratch clusters that no job is responsible for: those that carry the proof of a job of this writer are removed, others are named. Nothing is removed because a journal in the storage says so: every resource carries the mark of the job that made it, and what does not is named and left.",
  arguments: {},
  options: {},
  json: true,
  async run(call) {
    return withContext(call, async (context, watch) => {
      const recovered = await recoverJobs(context, watch.progress);
      const discarded = await discardFlaws(context);
      const brought = await bringOver(context);
      const orphans = await recoverOrphans(context, watch);
      const lines = [
        ...recovered.flatMap(({ job, verb, source, removed, left, says }) => [
          `${job}  ${verb} of ${source}: ${left.length === 0 ? "cleaned up" : "not everything could be removed"}`,
          ...removed.map((one) => `  removed: ${resourceInWords(one)}`),
          ...left.map((one) => `  still there: ${resourceInWords(one)}: ${one.why}`),
          ...says.map((sentence) => `  ${sentence}`),
        ]),
        ...discarded.map(({ message, removed }) => `${message}: ${removed ? "removed" : "left, for a job may still be writing it"}`),
        ...brought.map(
          ({ name, left }) => `${name}: ${left === undefined ? "brought into the repository" : `left on this machine, because ${left}`}`,
        ),
        ...orphans.map(({ source, message }) => `${source}: ${message}`),
      ];
      call.emit({ recovered, discarded, brought, orphans: orphans.map(orphanJson) }, () =>
        lines.length === 0 ? "nothing to clean up" : shown(lines).join("\n"),
      );
      const left =
        recovered.some((one) => one.left.length > 0) ||
        discarded.some(({ removed }) => !removed) ||
        orphans.some(({ outcome }) => outcome !== "removed");
      return left ? EXIT.inconclusive : EXIT.done;
    });
  },
});

const orphanJson = (orphan: OrphanOutcome) => {
  const { source, job, outcome, message, resource } = orphan;
  return { source, job, name: nameOfOrphan(orphan), kind: resource.kind, outcome, message };
};
