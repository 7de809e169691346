// Runs one work item: its operation with its request, and what its result says of it.
import * as z from "zod/mini";
import { asLifeboatError, ERROR_CODES, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { WorkFailure, WorkItem } from "../../core/work.ts";
import type { Operation, OperationContext } from "../operation.ts";
import { parseRequest, withJobId } from "../operation.ts";
import { refuseForeign } from "./items.ts";

/** The operations that a queue may run, and nothing else. */
const OPERATIONS = {
  backup: async () => (await import("../verbs/backup.ts")).backup,
  drill: async () => (await import("../verbs/drill.ts")).drill,
  expire: async () => (await import("../verbs/expire.ts")).expire,
  recover: async () => (await import("../verbs/recover.ts")).recover,
  restore: async () => (await import("../verbs/restore.ts")).restore,
  verify: async () => (await import("../verbs/verify.ts")).verify,
} as const;

export interface Performed {
  readonly item: WorkItem;
  /**
   * `idle`: nothing was due any longer. `busy`: another job has the lease; due work is put again. `stopped`: this worker was told to stop.
   */
  readonly outcome: "done" | "idle" | "busy" | "failed" | "stopped";
  /** Of the operation. Absent: it threw. */
  readonly result?: unknown;
  readonly failure?: WorkFailure | undefined;
}

/** Never throws. */
export async function perform(context: OperationContext, item: WorkItem): Promise<Performed> {
  try {
    refuseForeign(context.repository, item);
    const load = Object.entries(OPERATIONS).find(([name]) => name === item.operation)?.[1];
    if (load === undefined) throw new LifeboatError("USAGE", `the queue does not run ${item.operation}`);
    return await run(context, item, await load());
  } catch (error) {
    const { code, message } = asLifeboatError(context.signal.aborted ? context.signal.reason : error);
    if (code === "CANCELLED" && context.signal.aborted) return { item, outcome: "stopped" };
    return { item, outcome: code === "LEASE_HELD" ? "busy" : "failed", failure: { code, message } };
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the table holds operations of every request and result
async function run(given: OperationContext, item: WorkItem, operation: Operation<any, unknown, any>): Promise<Performed> {
  const request = parseRequest(operation, item.request);
  const { job, actor } = item.caller ?? {};
  const context = { ...given, ...(actor && { actor }) };
  const id = operation.oneJob?.(request) ? job : undefined;
  const result = await operation.run({ ...context, ...withJobId(operation, request, id) }, request).catch(async (error: unknown) => {
    // A worker that died or was stopped has begun a job with this id, and may have ended it without an answer.
    if (id === undefined || !isLifeboatError(error, "JOB_EXISTS")) throw error;
    return (await operation.found?.(context, request, id)) ?? operation.run(context, request);
  });
  const { success, data } = withFailures.safeParse(result);
  const failures = success ? data.failures : [];
  const [first] = failures.filter(({ code }) => code !== "LEASE_HELD");
  if (first !== undefined) return { item, outcome: "failed", result, failure: first };
  if (failures[0] !== undefined) return { item, outcome: "busy", result, failure: failures[0] };
  return { item, outcome: item.request.due === true && isEmpty(result) ? "idle" : "done", result };
}

const errorCode = z.custom<WorkFailure["code"]>((code) => typeof code === "string" && code in ERROR_CODES);
const withFailures = z.object({ failures: z.array(z.object({ code: errorCode, message: z.string() })) });

/** Nothing was made, drilled or expired. */
const isEmpty = (result: unknown): boolean =>
  typeof result === "object" &&
  result !== null &&
  Object.values(result).every((value) => value === null || (Array.isArray(value) && value.length === 0));

/** Whether the same item can succeed later without a change by a person. */
export const mayRetry = ({ code }: WorkFailure): boolean => ERROR_CODES[code].retryable;
