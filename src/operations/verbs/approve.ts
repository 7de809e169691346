// lifeboat approve: an approver signs exactly one frozen plan. The private key stays with the approver: what arrives here is a signature.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { approvalText, contentOf, storeApproval } from "../../repository/approvals.ts";
import { endOf, genuine, selfApproval } from "../approval/gate.ts";
import { approvalFields, approvalId, approvalJson, approvalShape } from "../approval/schemas.ts";
import { thisUser } from "../audit/trail.ts";
import { type OperationContext, operation } from "../operation.ts";
import { digestOf } from "../plan-digest.ts";
import { plan } from "../recovery/schemas.ts";
import { about } from "../schemas.ts";

const invalid = (id: string, why: string): LifeboatError =>
  new LifeboatError("APPROVAL_INVALID", `approval ${id} ${why}: it was not approved`);

/** The frozen plan, whose digest is the one of what it says. APPROVAL_INVALID. */
async function openPlan(context: OperationContext, id: string) {
  const frozen = await genuine(context, id);
  const { value } = frozen;
  const ended = await endOf(context, value);
  if (ended !== undefined && value.sealed !== undefined) throw invalid(id, ended);
  const content = await contentOf(context.repository, value, context.openKey, context.signal);
  const shown = plan.safeParse(content.plan);
  if (!shown.success || shown.data.digest !== value.digest || digestOf(shown.data) !== value.digest)
    throw invalid(id, "has a digest that is not the one of the plan it shows");
  return { frozen, request: content.request, shown: shown.data, text: approvalText(context.repository, frozen) };
}

export const approve = operation({
  name: "approve",
  access: "approve",
  storedOnly: () => true,
  request: z.strictObject({
    approval: approvalId,
    approver: z.optional(about(z.string(), "Name of the approver in the configuration. Not for a plan.")),
    signature: z.optional(about(z.string(), "Ed25519 signature of the text that the plan gives, in base64. Not for a plan.")),
  }),
  result: approvalShape,
  plan: {
    result: z.strictObject({
      ...approvalFields,
      request: about(z.record(z.string(), z.unknown()), "Of the operation, as it was frozen."),
      plan,
      toSign: about(z.string(), "The text that the approver signs."),
    }),
    async run(context, { approval: id }) {
      const { frozen, request, shown, text } = await openPlan(context, id);
      return { ...(await approvalJson(context, frozen)), request: { ...request }, plan: shown, toSign: text };
    },
  },

  async run(context, { approval: id, approver: name, signature }) {
    const { frozen, text } = await openPlan(context, id);
    const { operation: verb, source, digest, requestedBy } = frozen.value;
    const approver = context.approval?.approvers.find((one) => one.name === name);
    if (approver === undefined)
      throw invalid(id, `cannot be approved by ${name ?? "an approver without a name"}, who is not under approval.approvers`);
    const ended = await endOf(context, frozen.value);
    if (ended !== undefined) throw invalid(id, ended);
    const actor = context.actor ?? thisUser();
    const isSame = actor.kind !== "user" && actor.kind === requestedBy.kind && actor.name === requestedBy.name;
    const own = isSame ? `was asked for by ${actor.name}` : selfApproval(approver, frozen);
    if (own !== undefined) throw invalid(id, own);
    if (!(await storeApproval(context.repository, id, approver, text, Buffer.from(signature ?? "", "base64"))))
      throw invalid(id, `was not signed with the key of ${approver.name}`);
    await context.audit?.record({
      event: "approve",
      operation: verb,
      source,
      actor,
      plan: digest,
      approval: id,
      approvers: [approver.name],
    });
    return approvalJson(context, frozen);
  },
});
