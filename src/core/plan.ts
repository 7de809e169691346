// A plan: what an operation will do, as data, before it does it. The command line, the API and an approval all show the same plan.
import { formatBytes, formatDuration } from "./duration.ts";
import type { ErrorCode } from "./errors.ts";
import type { Estimate, SecondsRange } from "./estimate.ts";
import type { Micros } from "./log.ts";
import { type MergeFindings, mergeInWords } from "./merge-plan.ts";
import { type Asked, askedInWords, inWords, type Understood } from "./recovery-target.ts";
import { shown } from "./visible.ts";

export type PlanEffect = "create" | "change" | "remove" | "none";

interface Words {
  readonly subject: string;
  readonly object: string;
  readonly name: string;
}

/** Each action as a sentence. */
const SENTENCES = {
  "read-contents": ({ subject, object }) => `read the contents of ${subject}, and check that they fit ${object}`,
  "round-down": ({ subject }) => `round the instant down to ${subject}`,
  thaw: ({ subject }) => `restore ${subject} from its archived storage class`,
  fetch: ({ subject }) => `fetch and prove ${subject}`,
  unpack: ({ subject, object }) => `unpack ${subject} into ${object}`,
  replay: ({ subject, object }) => `replay ${subject} to ${object}`,
  "create-scratch": ({ subject }) => `create ${subject}`,
  "remove-scratch": ({ subject }) => `remove ${subject}`,
  "create-place": ({ subject, object, name }) => `create ${subject} ${name} from ${object}`,
  "copy-out": ({ subject }) => `copy the database out of ${subject}`,
  "remove-rows": ({ subject, object }) => `remove all present rows of ${subject} in ${object}`,
  "drop-tables": ({ subject, object }) => `drop ${subject}, with all present rows, from ${object}`,
  "create-role": ({ subject }) => `create the role ${subject}`,
  "create-database": ({ subject }) => `create a database on ${subject} and load into it`,
  load: ({ subject, object }) => `load ${subject} into ${object}`,
  erase: ({ subject }) => `erase again what the erasure ledger names: ${subject}`,
  record: ({ subject }) => `record in the erasure ledger: ${subject}`,
  leave: ({ subject }) => `do not record ${subject}`,
  "leave-open": ({ subject }) => `leave ${subject} open`,
  name: ({ subject }) => `name it ${subject}`,
  replace: ({ subject }) => `replace ${subject}`,
  keep: ({ subject, name }) => `keep ${subject} as ${name}`,
  "set-back": ({ subject, object }) => `set ${subject} back to ${object}`,
  overwrite: ({ subject, object }) => `overwrite ${subject} with ${object}`,
  compare: ({ subject, object }) => `compare ${subject} with ${object}, row by row`,
  "store-undo": ({ subject }) => `store ${subject}`,
  merge: ({ subject, object }) => `${subject} in ${object}`,
  raise: ({ subject, object }) => `raise the sequence ${subject} to ${object}`,
  "restore-beside": ({ subject, name }) => `restore ${subject} beside the live ones, as ${name}`,
  read: ({ subject }) => `read ${subject}`,
  query: ({ subject }) => `run a read-only query in ${subject}`,
  prove: ({ subject }) => `read every ${subject}, compare fingerprints, ask the probes`,
  "drop-kept": ({ subject }) => `drop ${subject}`,
  "expire-kept": ({ subject }) => `delete ${subject} 7 days after`,
  set: ({ subject }) => subject,
  "read-variable": ({ subject, object }) => `read the present value of ${subject} at ${object}`,
  "set-variable": ({ subject, object }) => `set ${subject} at ${object}`,
  hook: ({ subject }) => `run ${subject}`,
  redeploy: ({ subject }) => `make the application read it: ${subject}`,
  "await-health": ({ subject }) => `wait until ${subject} answers`,
  promote: ({ subject, name }) => `make ${subject} production, named ${name}`,
} as const satisfies Readonly<Record<string, (words: Words) => string>>;

export type PlanAction = keyof typeof SENTENCES;
export const PLAN_ACTIONS = Object.keys(SENTENCES) as PlanAction[];

export interface PlanStep {
  readonly action: PlanAction;
  /** What is acted on. */
  readonly subject: string;
  /** What it comes from or goes into. */
  readonly object?: string | undefined;
  /** A name that is chosen for it when it is carried out: no part of the digest. */
  readonly name?: string | undefined;
  readonly sizeBytes?: number | undefined;
  readonly effect: PlanEffect;
  readonly reason: string;
}

/** Why it would not be done; with any, nothing is. */
export interface PlanRefusal {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Code that carrying it out would run, of one kind. */
export interface PlanCode {
  readonly kind: string;
  readonly count: number;
  /** A few of the objects that hold it. */
  readonly names: readonly string[];
}

/** How the data is reached. */
export interface PlanRoute {
  /** The provider's history, a base backup and its WAL, or a stored backup with or without its oplog. */
  readonly kind: "provider" | "cluster" | "copy";
  readonly what: string;
  /** Why by that, where there are several. */
  readonly why: string;
  /** The instant whose data comes; absent: only the provider knows. */
  readonly at?: Micros | undefined;
}

export interface DiskNeed {
  readonly directory: string;
  readonly neededBytes: number;
  /** Null: it cannot be told. */
  readonly freeBytes: number | null;
}

export interface PlanNeeds {
  /** Bytes that are read from the repository. */
  readonly readBytes: number;
  readonly disks: readonly DiskNeed[];
}

export interface Plan {
  readonly verb: string;
  readonly source: string;
  /** What was asked for, as it was understood. */
  readonly to?: Asked | undefined;
  readonly route?: (PlanRoute & { readonly holds?: Understood | undefined }) | undefined;
  /** Other routes to the target, and what each of them reaches. */
  readonly otherRoutes?: readonly PlanRoute[] | undefined;
  readonly steps: readonly PlanStep[];
  readonly refusals: readonly PlanRefusal[];
  /** Code of somewhere else that it would run. Absent: not asked, or none. */
  readonly code?: readonly PlanCode[] | undefined;
  /** Of a merge: the rows that it would change. */
  readonly merge?: MergeFindings | undefined;
  readonly needs?: PlanNeeds | undefined;
  readonly estimate?: Estimate | undefined;
  /** What the provider or the storage bills for it, in a sentence. */
  readonly cost?: string | undefined;
  /** What was asked for, as plain data and without secrets: part of the digest. */
  readonly request?: Readonly<Record<string, unknown>> | undefined;
  /** What it depends on: the backups, log and contents of the destination that were found. */
  readonly facts?: Readonly<Record<string, unknown>> | undefined;
  /** SHA-256 over request, steps and facts: `--plan-digest` requires it when the plan is carried out. */
  readonly digest?: string | undefined;
}

const SIGNS: Readonly<Record<PlanEffect, string>> = { create: "+", change: "~", remove: "-", none: " " };

/** Whether carrying it out would change anything; a refused plan is not carried out. */
export const hasEffect = (plan: Plan): boolean => plan.refusals.length === 0 && plan.steps.some((step) => step.effect !== "none");

/** The step as a sentence, without its reason. */
export function stepInWords({ action, subject, object = "", name = "", sizeBytes }: PlanStep): string {
  const sentence = SENTENCES[action]({ subject, object, name });
  return sizeBytes === undefined ? sentence : `${sentence}, ${formatBytes(sizeBytes)}`;
}

/** The plan as plain text, one step a line, no colour, no newline at the end. */
export function renderPlan(given: Plan): string {
  const plan = shown(given);
  const lines = [`${plan.verb} ${plan.source}:`];
  if (plan.to !== undefined) lines.push(`  to ${askedInWords(plan.to)}`);
  if (plan.route !== undefined) {
    const { what, why, holds } = plan.route;
    lines.push(`  by ${what}: ${why}`);
    if (holds !== undefined) lines.push(`  data of ${inWords(holds)}`);
  }
  for (const { what, why } of plan.otherRoutes ?? []) lines.push(`  not by ${what}: ${why}`);
  if (plan.steps.length === 0) lines.push("  nothing to do");
  for (const step of plan.steps) lines.push(`  ${SIGNS[step.effect]} ${stepInWords(step)} (${step.reason})`);
  for (const { kind, count, names } of plan.code ?? []) {
    const more = count > names.length ? ` and ${count - names.length} more` : "";
    lines.push(`    runs code: ${count} × ${kind} (${names.join(", ")}${more})`);
  }
  if (plan.merge !== undefined) lines.push(...mergeInWords(plan.merge));
  if (plan.needs !== undefined) lines.push(...needsInWords(plan.needs));
  if (plan.estimate !== undefined) lines.push(`  ${estimateInWords(plan.estimate)}`);
  if (plan.cost !== undefined) lines.push(`  cost: ${plan.cost}`);
  for (const refusal of plan.refusals) lines.push(`  ! ${refusal.code}: ${refusal.message}`);
  if (plan.refusals.length > 0) lines.push("  nothing will be done");
  else if (plan.digest !== undefined) lines.push(`  digest ${plan.digest}`);
  return lines.join("\n");
}

function needsInWords({ readBytes, disks }: PlanNeeds): string[] {
  const lines = readBytes > 0 ? [`  reads ${formatBytes(readBytes)} from the repository`] : [];
  for (const { directory, neededBytes, freeBytes } of disks) {
    const free = freeBytes === null ? "how much is free is not known" : `${formatBytes(freeBytes)} free`;
    lines.push(`  needs ${formatBytes(neededBytes)} in ${directory} (${free})`);
  }
  return lines;
}

/** `takes 3.0 s to 5.0 s, as 2 past jobs took (fetch 1.0 s to 2.0 s, …)`. */
export function estimateInWords({ seconds, jobs, steps }: Estimate): string {
  const each = steps.map((step) => `${step.name} ${step.seconds === null ? "not measured yet" : rangeInWords(step.seconds)}`);
  const basis = jobs === 0 ? "no past job of this kind was measured" : `measured in ${jobs} past job${jobs === 1 ? "" : "s"}`;
  if (seconds === null) {
    const known = steps.some((step) => step.seconds !== null) ? ` (${each.join(", ")})` : "";
    return `time: no estimate, ${jobs === 0 ? basis : "a step was not measured yet"}${known}`;
  }
  return `takes ${rangeInWords(seconds)}, ${basis} (${each.join(", ")})`;
}

export function rangeInWords({ least, most }: SecondsRange): string {
  const [from, to] = [formatDuration(least * 1000), formatDuration(most * 1000)];
  return from === to ? from : `${from} to ${to}`;
}
