// Decides which waiting work item a worker takes: what it has room for, and what the limits over all workers allow.
import { formatBytes } from "./duration.ts";
import type { WorkItem } from "./work.ts";

/** What a worker has free at this moment. */
export interface Capacity {
  readonly diskBytes: number;
  readonly memoryBytes: number;
  readonly labels: readonly string[];
}

/** How many items may run at the same time, over all workers. Absent: any number. */
export interface Limits {
  /** On the repository's storage. */
  readonly storage?: number | undefined;
  readonly providers: Readonly<Record<string, number>>;
  readonly sources: Readonly<Record<string, number>>;
}

/** Why a worker does not take an item now, in one clause. Undefined: it can. */
export function declines(item: WorkItem, free: Capacity, running: readonly WorkItem[], limits: Limits): string | undefined {
  const { needs, source, provider, operation } = item;
  const lacking = needs.labels.filter((label) => !free.labels.includes(label));
  if (lacking.length > 0) return `this worker lacks the label ${lacking.join(", ")}`;
  const short = (what: string, wanted: number, has: number): string | undefined =>
    wanted > has ? `it needs ${formatBytes(wanted)} of ${what}; ${formatBytes(Math.max(0, has))} are free` : undefined;
  const room = short("disk space", needs.diskBytes, free.diskBytes) ?? short("memory", needs.memoryBytes, free.memoryBytes);
  if (room !== undefined) return room;
  const ofSource = running.filter((one) => source !== null && one.source === source);
  if (ofSource.some((one) => one.operation === operation)) return `another ${operation} of ${source} runs`;
  const ofProvider = running.filter((one) => provider !== null && one.provider === provider);
  return (
    reached(`source ${source}`, ofSource.length, source === null ? undefined : limits.sources[source]) ??
    reached(`provider ${provider}`, ofProvider.length, provider === null ? undefined : limits.providers[provider]) ??
    reached("storage", running.length, limits.storage)
  );
}

const reached = (what: string, count: number, limit: number | undefined): string | undefined =>
  limit !== undefined && count >= limit ? `the limit of ${what} is reached (${limit} at a time)` : undefined;

/** What is left when these items run. */
export const without = (capacity: Capacity, running: readonly WorkItem[]): Capacity => ({
  labels: capacity.labels,
  diskBytes: running.reduce((left, { needs }) => left - needs.diskBytes, capacity.diskBytes),
  memoryBytes: running.reduce((left, { needs }) => left - needs.memoryBytes, capacity.memoryBytes),
});
