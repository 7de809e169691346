// The shapes of approvals, and how one stands.
import * as z from "zod/mini";
import { approvalText, approversOf, type FrozenPlan, readEnd } from "../../repository/approvals.ts";
import type { Signed } from "../../repository/signed.ts";
import type { Context, Watch } from "../context.ts";
import { about, instant, sourceName } from "../schemas.ts";
import { endOf, selfApproval } from "./gate.ts";

export const GATED_OPERATIONS = ["restore", "promote", "accept", "cutover", "undo"] as const;

export const approvalId = about(z.string(), "Id of the approval.");

export const approvalFields = {
  id: z.string(),
  operation: about(z.string(), "What it would do."),
  source: sourceName,
  stage: about(z.enum(["waiting", "approved", "used", "revoked", "expired"]), "How it stands."),
  digest: about(z.string(), "Of the plan that was frozen."),
  requestedBy: about(z.string(), "Who asked for it, and by way of what."),
  requestedAt: instant,
  expiresAt: instant,
  approvers: about(z.array(z.string()), "Who approved it, of those who may."),
};

export const approvalShape = z.strictObject(approvalFields);

export async function approvalJson(context: Context & Watch, frozen: Signed<FrozenPlan>): Promise<z.infer<typeof approvalShape>> {
  const { value } = frozen;
  const { repository, signal, approval } = context;
  const end = await readEnd(repository, value.id, signal);
  const ended = await endOf(context, value);
  const all = approval?.approvers ?? [];
  const signed = await approversOf(repository, value.id, approvalText(repository, frozen), all, signal);
  const approvers = all.filter((one) => signed.some(({ name }) => name === one.name) && selfApproval(one, frozen) === undefined);
  const how = end === "unsigned" ? "revoked" : end?.how;
  const stage =
    how ?? (ended === undefined ? undefined : ended.startsWith("expired") ? "expired" : ended.includes("used") ? "used" : "revoked");
  return {
    id: value.id,
    operation: value.operation,
    source: value.source,
    stage: stage ?? (approvers.length > 0 ? "approved" : "waiting"),
    digest: value.digest,
    requestedBy: `${value.requestedBy.name}, ${value.requestedBy.via}`,
    requestedAt: new Date(value.requestedAt).toISOString(),
    expiresAt: new Date(value.expiresAt).toISOString(),
    approvers: approvers.map(({ name }) => name),
  };
}
