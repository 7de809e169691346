// The chronology of a job: what was asked, decided and done, when, and what came of it. The report of evidence, `jobs show` and JSON show
// the same events.
import { formatDuration } from "./duration.ts";
import { microsOf } from "./micros.ts";
import { type Present, understood } from "./recovery-target.ts";

/** A choice that a job made, and why. */
export interface Decision {
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly what: string;
  readonly why?: string | undefined;
}

/** What is known of a job. Instants are ISO 8601 in UTC. */
export interface JobFacts {
  readonly id: string;
  readonly source: string;
  readonly startedAt: string;
  /** What was asked for. */
  readonly asked: string;
  readonly steps: readonly { readonly name: string; readonly startedAt: string; readonly ms?: number | undefined }[];
  readonly decisions?: readonly Decision[] | undefined;
  /** Absent: it has not ended. */
  readonly end?: { readonly at: string; readonly what: string; readonly why?: string | undefined } | undefined;
}

export interface ChronologyEvent {
  readonly job: string;
  readonly source: string;
  readonly kind: "asked" | "decided" | "step" | "ended";
  /** ISO 8601, UTC. */
  readonly at: string;
  /** ISO 8601 with the offset of the time zone. */
  readonly local: string;
  readonly what: string;
  readonly why: string | null;
  /** Of a step that ended. */
  readonly seconds: number | null;
}

const RANK = { asked: 0, decided: 1, step: 2, ended: 3 } as const;

/** Returns the events of one or more jobs, oldest first. */
export function chronologyOf(jobs: readonly JobFacts[], present: Present): ChronologyEvent[] {
  return jobs
    .flatMap(({ id: job, source, startedAt, asked, steps, decisions = [], end }) => {
      const event = (kind: ChronologyEvent["kind"], at: string, what: string, why?: string, ms?: number): ChronologyEvent => {
        const { local } = understood(microsOf(new Date(at)), present);
        return { job, source, kind, at, local, what, why: why ?? null, seconds: ms === undefined ? null : Math.round(ms) / 1000 };
      };
      return [
        event("asked", startedAt, asked),
        ...decisions.map(({ at, what, why }) => event("decided", at, what, why)),
        ...steps.map(({ name, startedAt: at, ms }) => event("step", at, name, undefined, ms)),
        ...(end === undefined ? [] : [event("ended", end.at, end.what, end.why)]),
      ];
    })
    .sort((a, b) => Date.parse(a.at) - Date.parse(b.at) || (a.job === b.job ? RANK[a.kind] - RANK[b.kind] : 0));
}

/** How long a step took: `2.1 s`, `not ended`. Undefined: the event is not a step. */
export const tookInWords = ({ kind, seconds }: ChronologyEvent): string | undefined =>
  kind !== "step" ? undefined : seconds === null ? "not ended" : formatDuration(seconds * 1000);

/** `14:25:03`, of an instant with an offset. The day is told once, by the heading. */
export const timeOfDay = (local: string): string => local.slice(11, 19);
