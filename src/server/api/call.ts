// One call of an operation on the service's present configuration.
import { EXIT, type ExitStatus } from "../../core/errors.ts";
import type { Actor } from "../../core/people.ts";
import { JobProgress } from "../../operations/jobs/events.ts";
import { type OperationContext, withJobId } from "../../operations/operation.ts";
import type { Events } from "../../ports/progress.ts";
import type { Service } from "../service.ts";
import type { ApiOperation } from "./operations.ts";

interface CallOptions {
  readonly signal: AbortSignal;
  readonly actor: Actor;
  readonly events?: Events | undefined;
  /** Given to the operation where it makes exactly one job. */
  readonly jobId?: string | undefined;
}

export interface Answer {
  readonly result: unknown;
  readonly exit: ExitStatus;
}

export function runOperation(service: Service, operation: ApiOperation, request: unknown, options: CallOptions): Promise<Answer> {
  const id = operation.oneJob?.(request) ? options.jobId : undefined;
  return inContext(service, options, async (context) => {
    const result = await operation.run({ ...context, ...withJobId(operation, request, id) }, request);
    return { result, exit: operation.exit?.(result) ?? EXIT.done };
  });
}

export function planOperation(service: Service, { plan }: ApiOperation, request: unknown, options: CallOptions): Promise<Answer> {
  return inContext(service, options, async (context) => {
    const result = await plan?.run(context, request);
    return { result, exit: plan?.exit?.(result) ?? EXIT.done };
  });
}

function inContext<T>(
  service: Service,
  { signal, actor, events = () => {} }: CallOptions,
  run: (context: OperationContext) => Promise<T>,
): Promise<T> {
  const tell: Events = (event) => {
    service.events(event);
    events(event);
  };
  return service.use((context) => run({ ...context, servers: new Map(), signal, actor, progress: new JobProgress(tell, service.clock) }));
}
