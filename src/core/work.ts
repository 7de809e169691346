// Work as data: one operation to run once, for a due slot or a caller, on any machine that has room for it.
import type { ErrorCode } from "./errors.ts";
import type { Actor } from "./people.ts";

/** What a work item takes of the machine that runs it. */
export interface Needs {
  /** Free space for spooled files and a scratch server. */
  readonly diskBytes: number;
  readonly memoryBytes: number;
  /** A worker must have all of these labels. */
  readonly labels: readonly string[];
}

export interface WorkItem {
  /**
   * Names the due slot, such as `backup:shop:2026-11-29T02:00:00.000Z`, or the job of a caller: the same work put twice is one item.
   * At most 500 characters.
   */
  readonly key: string;
  /** As in the registry. */
  readonly operation: string;
  /** The operation's request: names and values only. */
  readonly request: Readonly<Record<string, unknown>>;
  /** Null: the work is not about one source. */
  readonly source: string | null;
  /** The source's provider, for limits. Null without a source. */
  readonly provider: string | null;
  readonly needs: Needs;
  /** Not before this instant, in ISO 8601. */
  readonly notBefore: string;
  /** Of a job that a caller began and waits for: it is tried once, and its worker answers. Absent: it is due by a schedule. */
  readonly caller?: { readonly job: string; readonly actor: Actor } | undefined;
  /** By the writer key of the machine that put it, in base64: a queue alone is not trusted. */
  readonly signature?: string | undefined;
}

/** The text that is signed: the same for equal items, in any order of their fields. */
export function textOfWork({ signature: _, ...item }: WorkItem): string {
  return JSON.stringify(sorted(item));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).filter(([, one]) => one !== undefined);
  return fields.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, one]) => [name, sorted(one)]);
}

/** A failure, as the queue keeps it. */
export interface WorkFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** Most urgent first; what is not listed comes after. Recovery is never behind routine work. */
const ORDER = ["restore", "recover", "promote", "accept", "backup", "verify", "copy", "drill", "expire"];

/** The priority of an operation; a higher one is taken first. */
export function priorityOf(operation: string): number {
  const at = ORDER.indexOf(operation);
  return at === -1 ? 0 : ORDER.length - at;
}
