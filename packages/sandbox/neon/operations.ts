// Work that continues after the answer: scheduling, running, finished, by real time. One mutation at a time in a project.
import { randomUUID } from "node:crypto";
import type { Answer, ApiRequest, Emulator } from "./emulator.ts";
import { locked, notFound } from "./errors.ts";
import { page } from "./paging.ts";
import type { Action, NeonProject, Operation } from "./state.ts";

export interface Step {
  readonly action: Action;
  readonly branchId?: string | undefined;
  readonly endpointId?: string | undefined;
}

/** Queues steps, one after the other. Their result is in the state already; only the appearance takes time. */
export function queue(emulator: Emulator, project: NeonProject, steps: readonly Step[], stuck?: { on: boolean }): Operation[] {
  const scheduledMs = emulator.real();
  let freeMs = scheduledMs;
  const made = steps.map((step, index) => {
    const startsMs = freeMs + emulator.delays.schedulingMs;
    freeMs = startsMs + emulator.delays.runningMs;
    const last = index === steps.length - 1;
    return {
      id: randomUUID(),
      action: step.action,
      branchId: step.branchId,
      endpointId: step.endpointId,
      scheduledMs,
      startsMs,
      endsMs: freeMs,
      stuck: last ? stuck : undefined,
    };
  });
  project.operations.push(...made);
  return made;
}

export function hasEnded(emulator: Emulator, operation: Operation | undefined): boolean {
  return operation === undefined || (operation.endsMs <= emulator.real() && operation.stuck?.on !== true);
}

/** Whether a mutation would be refused now. */
export function isLocked(emulator: Emulator, project: NeonProject): boolean {
  if (project.busy) return true;
  // Running ones are near the end; a stuck one may be earlier.
  return project.operations.slice(-64).some((operation) => !hasEnded(emulator, operation));
}

/** Runs one mutation; 423 while another is running. */
export async function mutate<T>(emulator: Emulator, project: NeonProject, work: () => Promise<T> | T): Promise<T> {
  if (isLocked(emulator, project)) throw locked();
  project.busy = true;
  try {
    return await work();
  } finally {
    project.busy = false;
  }
}

export function operationView(emulator: Emulator, project: NeonProject, operation: Operation): object {
  const now = emulator.real();
  const status = hasEnded(emulator, operation) ? "finished" : now < operation.startsMs ? "scheduling" : "running";
  const untilMs = status === "finished" ? operation.endsMs : now;
  return {
    id: operation.id,
    project_id: project.id,
    branch_id: operation.branchId,
    endpoint_id: operation.endpointId,
    action: operation.action,
    status,
    failures_count: 0,
    created_at: emulator.time.toDriven(operation.scheduledMs),
    updated_at: emulator.time.toDriven(untilMs),
    total_duration_ms: untilMs - operation.scheduledMs,
  };
}

export function operationViews(emulator: Emulator, project: NeonProject, operations: readonly Operation[]): object[] {
  return operations.map((operation) => operationView(emulator, project, operation));
}

export function listOperations(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const { items, cursor } = page(request.query, [...project.operations].reverse(), (operation) => operation.id, { usual: 100, most: 1000 });
  return {
    status: 200,
    body: { operations: operationViews(emulator, project, items), ...(cursor === undefined ? {} : { pagination: { cursor } }) },
  };
}

export function getOperation(emulator: Emulator, request: ApiRequest): Answer {
  const project = emulator.project(request);
  const found = project.operations.find((operation) => operation.id === request.params.operation);
  if (found === undefined) throw notFound("operation");
  return { status: 200, body: { operation: operationView(emulator, project, found) } };
}
