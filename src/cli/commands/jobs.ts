// lifeboat jobs, lifeboat jobs show, lifeboat jobs recover
import type * as z from "zod/mini";
import { timeOfDay, tookInWords } from "../../core/chronology.ts";
import { formatDuration, formatInstant } from "../../core/duration.ts";
import { listOf } from "../../core/option.ts";
import { flag, integer, text } from "../../core/option-types.ts";
import { jobs, recoverJobsOperation, showJobs } from "../../operations/verbs/jobs.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderNext } from "../render/restore.ts";
import { renderTable } from "../render/table.ts";
import { perform } from "../session.ts";

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
  run: (call) => perform(call, jobs, call.options, (result) => renderJobs(result, call.paint)),
});

export const jobsShow = defineCommand({
  description:
    "The timeline of a job, for the report of an incident: the command that was given, what was decided and why, each step with its time, and the verdict. Several jobs become one timeline. A job that Lifeboat began for another has an id of its own, which the other one names.",
  arguments: { jobs: { type: listOf(text), required: true, help: "Ids of jobs, or the beginning of an id." } },
  options: {},
  json: true,
  examples: ["lifeboat jobs show 1k3v9y2m0abcde"],
  run: (call) => perform(call, showJobs, call.args, (result) => renderChronology(result, call.paint)),
});

export const jobsRecover = defineCommand({
  description:
    "Cleans up after jobs whose process died, as every start of a job does by itself. It also looks at the providers for scratch clusters that no job is responsible for: those that carry the proof of a job of this writer are removed, others are named. Nothing is removed because a journal in the storage says so: every resource carries the mark of the job that made it, and what does not is named and left.",
  arguments: {},
  options: {},
  json: true,
  run: (call) => perform(call, recoverJobsOperation, {}, renderRecovered),
});

function renderJobs({ jobs: found, flaws }: z.infer<typeof jobs.result>, paint: Paint): string {
  if (found.length === 0) return ["no such jobs", ...flaws].join("\n");
  const rows = found.map(({ id, verb, source, startedAt, seconds, state, error, result }) => [
    id,
    verb,
    source,
    formatInstant(new Date(startedAt)),
    seconds === null ? "" : formatDuration(seconds * 1000),
    state,
    error === null
      ? Object.entries(result)
          .flatMap(([key, value]) => (typeof value === "object" ? [] : [`${key} ${value}`]))
          .join(", ")
      : `${error.code}: ${error.message}`,
  ]);
  const columns = ["id", "job", "source", "begun", "took", "state", "result"].map((title) => ({ title }));
  return [renderTable(columns, rows, { paint }), ...flaws].join("\n");
}

function renderChronology({ jobs: found, events, timeZone, next }: z.infer<typeof showJobs.result>, paint: Paint): string {
  const several = found.length > 1;
  const heads = found.map(({ id, verb, source, state, seconds, owner }) => {
    const took = seconds === null ? "" : ` after ${formatDuration(seconds * 1000)}`;
    return `${paint.bold(id)}  ${verb} of ${source}: ${state}${took}, by ${owner.user}@${owner.host}`;
  });
  const rows = events.map((event) => {
    const { at, local, kind, what, why, source } = event;
    const text = `${several ? `${source}: ` : ""}${kind === "asked" || kind === "ended" ? paint.bold(what) : what}`;
    const took = tookInWords(event);
    return [at, timeOfDay(local), took ?? "", why === null || why === "" ? text : `${text} (${why})`];
  });
  const columns = ["UTC", timeZone, "took", "event"].map((title) => ({ title }));
  return [...heads, "", renderTable(columns, rows, { paint }), ...renderNext(next, paint)].join("\n");
}

function renderRecovered({ recovered, discarded, brought, orphans }: z.infer<typeof recoverJobsOperation.result>): string {
  const lines = [
    ...recovered.flatMap(({ job, verb, source, removed, left, says }) => [
      `${job}  ${verb} of ${source}: ${left.length === 0 ? "cleaned up" : "not everything could be removed"}`,
      ...removed.map(({ what }) => `  removed: ${what}`),
      ...left.map(({ what, why }) => `  still there: ${what}: ${why}`),
      ...says.map((sentence) => `  ${sentence}`),
    ]),
    ...discarded.map(({ message, removed }) => `${message}: ${removed ? "removed" : "left, for a job may still be writing it"}`),
    ...brought.map(
      ({ name, left }) => `${name}: ${left === null ? "brought into the repository" : `left on this machine, because ${left}`}`,
    ),
    ...orphans.map(({ source, message }) => `${source}: ${message}`),
  ];
  return lines.length === 0 ? "nothing to clean up" : lines.join("\n");
}
