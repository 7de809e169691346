// Evidence: what a drill or a restore found, filed beside the backups as JSON for machines and Markdown for people.
import type { Achieved, Objective } from "../core/objectives.ts";
import type { Check, Verdict } from "../core/verdict.ts";
import type { Storage } from "../ports/storage.ts";
import type { JobStep } from "./journal.ts";
import { getJson, putJson } from "./json-object.ts";
import { evidenceFolder, evidenceName } from "./layout.ts";

export interface Evidence {
  readonly format: 1;
  /** The job's id. */
  readonly id: string;
  readonly verb: "drill" | "restore";
  readonly source: string;
  readonly who: { readonly user: string; readonly host: string; readonly lifeboat: string };
  readonly startedAt: string;
  readonly endedAt: string;
  readonly point: { readonly id: string; readonly name: string; readonly snapshotAt: string };
  /** Where it was restored to, in words; never a secret. */
  readonly target: string;
  readonly steps: readonly JobStep[];
  readonly checks: readonly Check[];
  readonly verdict: Verdict;
  readonly reasons: readonly string[];
  readonly objective: Objective;
  readonly achieved: Achieved;
  /** Anything a reader must know to weigh the figures. */
  readonly remarks: readonly string[];
}

/** Files the evidence; the report first, so that evidence that is there is whole. Returns the name of the JSON object. */
export async function fileEvidence(storage: Storage, evidence: Evidence, report: string): Promise<string> {
  const { source, id } = evidence;
  await storage.put(evidenceName(source, id, "report.md"), new TextEncoder().encode(report));
  const name = evidenceName(source, id, "evidence.json");
  await putJson(storage, name, evidence);
  return name;
}

/** The newest evidence of a source that a drill left, or undefined. */
export async function lastEvidence(
  storage: Storage,
  source: string,
  verb: Evidence["verb"],
  signal?: AbortSignal,
): Promise<Evidence | undefined> {
  const folder = evidenceFolder(source);
  const ids: string[] = [];
  for await (const id of storage.listFolders(folder, { signal })) ids.push(id);
  for (const id of ids.sort().reverse()) {
    const found = (await getJson(storage, evidenceName(source, id, "evidence.json"), signal)) as Evidence | undefined;
    if (found?.verb === verb) return found;
  }
  return undefined;
}
