// The one report of a recovery of all sources: a verdict, what became of each, and what happened across them in order of time.
import { type ChronologyEvent, chronologyOf } from "../../core/chronology.ts";
import type { Combined } from "../../core/combined.ts";
import { type Asked, askedInWords, type Present } from "../../core/recovery-target.ts";
import { findJob } from "../../repository/journals.ts";
import { thisOwner } from "../../repository/owner.ts";
import { fileRecovery, type RecoveredPart, type Recovery } from "../../repository/recoveries.ts";
import { type Context, presentOf, type Watch } from "../context.ts";
import { factsOf } from "../jobs/facts.ts";
import { placesOf } from "../jobs/holders.ts";
import { ignoreUnwritable } from "../jobs/records.ts";
import type { RecoveredSource } from "./recover.ts";
import type { ReferenceFinding } from "./references.ts";
import { plain, promised, seconds, timelineOf } from "./report.ts";

export interface RecoveryFacts {
  readonly id: string;
  readonly startedAt: Date;
  readonly to: Asked;
  readonly sources: readonly RecoveredSource[];
  readonly references: readonly ReferenceFinding[];
  readonly combined: Combined;
}

/** Name of the stored object; undefined when the repository cannot be written. */
export async function fileRecoveryReport(context: Context, facts: RecoveryFacts, watch: Watch): Promise<string | undefined> {
  const { user, host } = thisOwner();
  const { combined, references } = facts;
  const recovery: Omit<Recovery, "report"> = {
    format: 1,
    id: facts.id,
    who: { user, host, lifeboat: context.lifeboat },
    startedAt: facts.startedAt.toISOString(),
    endedAt: context.clock.now().toISOString(),
    command: watch.command,
    to: askedInWords(facts.to),
    sources: facts.sources.map(partOf),
    references: references.map(({ reference, check: { outcome, message } }) => ({ reference, outcome, message })),
    ...combined,
  };
  const report = renderRecoveryReport(recovery, await timeline(context, facts, watch), presentOf(context));
  try {
    return await fileRecovery(context.repository, recovery, report);
  } catch (error) {
    ignoreUnwritable(error);
    return undefined;
  }
}

function partOf({ source, job, finding, place, error }: RecoveredSource): RecoveredPart {
  const { evidence } = finding ?? {};
  return {
    source,
    job,
    ...(evidence && {
      found: { verdict: evidence.verdict, place: place && `${place.what} ${place.name}`, snapshotAt: evidence.point.snapshotAt },
    }),
    ...(error && { failure: { code: error.code, message: error.message } }),
  };
}

/** Of the journals; a restore that was refused before it began has none. */
async function timeline(context: Context, { sources }: RecoveryFacts, { signal }: Watch): Promise<ChronologyEvent[]> {
  const places = await placesOf(context);
  const jobs = [];
  for (const { job } of sources) {
    for (const place of places) {
      const record = await findJob(place, job, signal);
      if (record === undefined) continue;
      jobs.push(factsOf(record));
      break;
    }
  }
  return chronologyOf(jobs, presentOf(context));
}

export function renderRecoveryReport(recovery: Omit<Recovery, "report">, events: readonly ChronologyEvent[], present: Present): string {
  const { id, verdict, reasons, command, to, startedAt, endedAt, who, sources, references, achieved, objective } = recovery;
  const lines = [
    `# Recovery of ${sources.length} sources: ${verdict}`,
    "",
    ...reasons.map((reason) => `- ${plain(reason)}`),
    "",
    "| | |",
    "|---|---|",
    `| recovery | ${plain(id)} |`,
    `| to | ${plain(to)} |`,
    ...(command === undefined ? [] : [`| asked | ${plain(command)} |`]),
    `| begun, ended | ${plain(startedAt)}, ${plain(endedAt)} |`,
    `| by | ${plain(`${who.user}@${who.host}`)}, Lifeboat ${plain(who.lifeboat)} |`,
    `| RTO: achieved, objective | ${seconds(achieved.rtoSeconds)}, ${promised(objective.rtoSeconds)} |`,
    `| RPO: achieved, objective | ${seconds(achieved.rpoSeconds)}, ${promised(objective.rpoSeconds)} |`,
    "",
    "## Sources",
    "",
    "| source | verdict | restored into | data of | evidence |",
    "|---|---|---|---|---|",
    ...sources.map(({ source, job, found, failure }) => {
      const cells = found
        ? [found.verdict, found.place ?? "nowhere", found.snapshotAt, `evidence/${source}/${job}/report.md`]
        : ["not restored", `${failure?.code}: ${failure?.message}`, "", ""];
      return `| ${[source, ...cells].map(plain).join(" | ")} |`;
    }),
    ...(references.length === 0 ? [] : ["", "## References between them", "", "| reference | outcome | found |", "|---|---|---|"]),
    ...references.map(({ reference, outcome, message }) => `| ${plain(reference)} | ${outcome} | ${plain(message)} |`),
    "",
    ...timelineOf(events, present, { sources: true }),
  ];
  return `${lines.join("\n")}\n`;
}
