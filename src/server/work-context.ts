// What an operation gets that the service runs by itself.
import type { Composed } from "../compose.ts";
import { thisUser } from "../operations/audit/trail.ts";
import { JobProgress } from "../operations/jobs/events.ts";
import type { OperationContext } from "../operations/operation.ts";
import type { Service } from "./service.ts";

export const workContext = (
  { clock, events }: Pick<Service, "clock" | "events">,
  context: Composed,
  signal: AbortSignal,
): OperationContext => ({
  ...context,
  servers: new Map(),
  signal,
  actor: { ...thisUser(), kind: "service", via: "schedule" },
  progress: new JobProgress(events, clock),
});
