// A journal as the chronology has it.
import type { JobFacts } from "../../core/chronology.ts";
import type { JobRecord } from "../../repository/journal.ts";

export function factsOf({ id, verb, source, command, startedAt, endedAt, steps, decisions, state, error }: JobRecord): JobFacts {
  const end =
    endedAt === undefined
      ? undefined
      : { at: endedAt, what: state === "done" ? "done" : `failed: ${error?.code ?? "unknown"}`, why: error?.message };
  return { id, source, startedAt, asked: command ?? `${verb}, by another job`, steps, decisions, end };
}
