// The options of commands that may change production of a source that takes approval.
import type * as z from "zod/mini";
import type { ExitStatus } from "../core/errors.ts";
import { flag, text } from "../core/option-types.ts";
import { renderPlan } from "../core/plan.ts";
import { approvalsRequest } from "../operations/verbs/approvals.ts";
import type { CommandCall } from "./command.ts";
import { renderNext } from "./render/restore.ts";
import { perform } from "./session.ts";

export const approvalOptions = {
  requestApproval: {
    type: flag,
    help: "Freeze the plan, for a second person to approve. For sources with `approval: required`; docs/approval.md explains it.",
  },
  approved: {
    type: text,
    value: "PLAN",
    help: "Carry out exactly what was approved under this id. Options that are left out are as they were approved.",
  },
  breakGlass: {
    type: text,
    value: "REASON",
    help: "Do it without approval. Every notification channel is told at once, and the audit log keeps the reason.",
  },
} as const;

export function askApproval(
  call: CommandCall,
  operation: z.infer<typeof approvalsRequest.request>["operation"],
  request: Readonly<Record<string, unknown>>,
): Promise<ExitStatus> {
  const given = Object.fromEntries(Object.entries(request).filter(([, value]) => value !== undefined));
  return perform(call, approvalsRequest, { operation, request: given }, ({ id, plan, expiresAt, next }) =>
    [renderPlan(plan), `frozen as ${id}, until ${expiresAt}`, ...renderNext(next, call.paint)].join("\n"),
  );
}
