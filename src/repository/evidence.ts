// Evidence: the findings of a drill or a restore, stored beside the backups as JSON for machines and Markdown for people.

import { createHash } from "node:crypto";
import * as z from "zod/mini";
import type { Decision } from "../core/chronology.ts";
import type { Erasures } from "../core/erasure.ts";
import { isLifeboatError } from "../core/errors.ts";
import type { HealthReason } from "../core/health.ts";
import type { Achieved, Objective } from "../core/objectives.ts";
import { isInFuture } from "../core/restore-point.ts";
import type { Check, Verdict } from "../core/verdict.ts";
import { count, decision, digest, format, id, instant, list, maybe, prose, type Schema, segment, step, word } from "./fields.ts";
import type { JobStep } from "./journal.ts";
import { evidenceFolder, evidenceName } from "./layout.ts";
import type { Repository } from "./repository.ts";
import { getSigned, putSigned } from "./signed.ts";

export interface Evidence {
  readonly format: 1;
  /** The id of the job. */
  readonly id: string;
  readonly verb: "drill" | "restore";
  readonly source: string;
  readonly who: { readonly user: string; readonly host: string; readonly lifeboat: string };
  readonly startedAt: string;
  readonly endedAt: string;
  readonly point: { readonly id: string; readonly name: string; readonly snapshotAt: string };
  /** Where it was restored to, in words, without secrets. */
  readonly target: string;
  /** How the data was reached, and what it was restored into; estimates are based on restores of the same kind. */
  readonly route?: { readonly kind: string; readonly into: string } | undefined;
  /** What was asked for, without secrets. */
  readonly command?: string | undefined;
  readonly steps: readonly JobStep[];
  /** What the job decided, and why. */
  readonly decisions?: readonly Decision[] | undefined;
  readonly checks: readonly Check[];
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly objective: Objective;
  readonly achieved: Achieved;
  /** The configured drill, and the name of this run. Absent: a user started it. */
  readonly plan?: { readonly name: string; readonly run: string } | undefined;
  /** Facts that a reader requires to interpret the figures. */
  readonly remarks: readonly string[];
  /** What applying the erasure ledger did. Absent: there was none, or it was not applied, which a check says. */
  readonly erasures?: Erasures | undefined;
  /** The SHA-256 of the report beside it. */
  readonly report: string;
}

const outcome = z.enum(["pass", "fail", "inconclusive"]);
const seconds = z.looseObject({ rtoSeconds: maybe(z.number()), rpoSeconds: maybe(z.number()) });

export const evidenceSchema: Schema<Evidence> = z.looseObject({
  format,
  id,
  verb: z.enum(["drill", "restore"]),
  source: segment,
  who: z.looseObject({ user: z.string(), host: z.string(), lifeboat: word }),
  startedAt: instant,
  endedAt: instant,
  point: z.looseObject({ id: word, name: word, snapshotAt: instant }),
  target: prose,
  route: maybe(z.looseObject({ kind: word, into: word })),
  command: maybe(prose),
  steps: list(step),
  decisions: maybe(list(decision)),
  checks: list(
    z.looseObject({
      name: prose,
      kind: z.enum(["data", "schema", "integrity", "probe", "objective"]),
      outcome,
      message: prose,
      expected: maybe(prose),
      actual: maybe(prose),
      rows: maybe(z.number()),
    }),
  ),
  verdict: outcome,
  reasons: list(prose),
  objective: seconds,
  achieved: seconds,
  plan: maybe(z.looseObject({ name: word, run: word })),
  remarks: list(prose),
  erasures: maybe(z.looseObject({ entries: count, rows: count, tables: list(z.looseObject({ table: prose, rows: count })) })),
  report: digest,
});

export interface Filed {
  readonly evidence: Evidence;
  /** The name of the JSON object in the repository. */
  readonly filed: string;
}

/**
 * Stores the evidence, the report first, so that existing evidence is complete. It is signed where this machine has a writer key. Without
 * a signature it proves nothing.
 */
export async function fileEvidence(repository: Repository, evidence: Omit<Evidence, "report">, report: string): Promise<Filed> {
  const { source, id } = evidence;
  const bytes = new TextEncoder().encode(report);
  await repository.storage.put(evidenceName(source, id, "report.md"), bytes);
  const name = evidenceName(source, id, "evidence.json");
  const whole: Evidence = { ...evidence, report: createHash("sha256").update(bytes).digest("hex") };
  await putSigned(repository, "evidence", name, whole);
  return { evidence: whole, filed: name };
}

/** Returns the evidence that the job filed for the source. Undefined: none that a trusted key signed. */
export async function findEvidence(repository: Repository, source: string, job: string, signal?: AbortSignal): Promise<Filed | undefined> {
  const filed = evidenceName(source, job, "evidence.json");
  const found = await getSigned(repository, "evidence", filed, evidenceSchema, signal);
  if (found?.signedBy === undefined || found.value.id !== job || found.value.source !== source) return undefined;
  return { evidence: found.value, filed };
}

/** Returns the newest of `evidenceOf`, or undefined. */
export async function lastEvidence(...wanted: Parameters<typeof evidenceOf>): Promise<Evidence | undefined> {
  for await (const evidence of evidenceOf(...wanted)) return evidence;
  return undefined;
}

/**
 * Yields the evidence of a source that a trusted key signed, newest first. Unreadable and unsigned evidence is reported to `onFlaw` and
 * skipped. So is evidence later than `until`: it has the time of a wrong clock and must not hide later findings.
 */
export async function* evidenceOf(
  repository: Repository,
  source: string,
  verb: Evidence["verb"] | undefined,
  until: Date,
  signal?: AbortSignal,
  onFlaw: (flaw: HealthReason) => void = () => {},
): AsyncIterable<Evidence> {
  const ids: string[] = [];
  for await (const id of repository.storage.listFolders(evidenceFolder(source), { signal })) ids.push(id);
  for (const id of ids.sort().reverse()) {
    const name = evidenceName(source, id, "evidence.json");
    try {
      const found = await getSigned(repository, "evidence", name, evidenceSchema, signal);
      if (found === undefined || (found.signedBy !== undefined && verb !== undefined && found.value.verb !== verb)) continue;
      if (found.value.id !== id || found.value.source !== source)
        onFlaw({ code: "OBJECT_UNREADABLE", message: `${name} is the evidence of another job` });
      else if (isInFuture(new Date(found.value.endedAt), until)) continue;
      else if (found.signedBy === undefined) onFlaw({ code: "EVIDENCE_UNSIGNED", message: `${name} is not signed by a trusted key` });
      else yield found.value;
    } catch (error) {
      if (!isLifeboatError(error, "INTEGRITY") && !isLifeboatError(error, "FORMAT_UNKNOWN")) throw error;
      onFlaw({ code: "OBJECT_UNREADABLE", message: error.message });
    }
  }
}
