// lifeboat approvals, approvals request, approvals revoke
import { LifeboatError } from "../../core/errors.ts";
import { oneOf, text } from "../../core/option-types.ts";
import { GATED_OPERATIONS } from "../../operations/approval/schemas.ts";
import { approvals, approvalsRevoke } from "../../operations/verbs/approvals.ts";
import { askApproval } from "../approval-options.ts";
import { defineCommand } from "../command.ts";
import { renderTable } from "../render/table.ts";
import { perform } from "../session.ts";

export const approvalsCommand = defineCommand({
  description: "Lists plans that were frozen for approval, newest first: who asked, who approved, and what became of them.",
  arguments: { source: { type: text, help: "Only those of this source." } },
  options: {},
  json: true,
  examples: ["lifeboat approvals", "lifeboat approvals shop"],
  run: (call) =>
    perform(call, approvals, { ...call.args }, ({ approvals: all }) =>
      all.length === 0
        ? "no plan was frozen for approval"
        : renderTable(
            ["id", "operation", "stage", "asked by", "approved by", "expires"].map((title) => ({ title })),
            all.map((one) => [
              one.id,
              `${one.operation} ${one.source}`,
              one.stage,
              one.requestedBy,
              one.approvers.join(", "),
              one.expiresAt,
            ]),
            { paint: call.paint },
          ),
    ),
});

export const approvalsRequestCommand = defineCommand({
  description:
    "Freezes the plan of an operation from its request in JSON, as programs do. On the command line, --request-approval of the operation itself does the same.",
  arguments: {
    operation: { type: oneOf(GATED_OPERATIONS), required: true, help: "What is to be done." },
    request: { type: text, required: true, help: "Its request, in JSON." },
  },
  options: {},
  json: true,
  examples: [`lifeboat approvals request restore '{"source":"shop","to":"2026-11-29T14:25:00Z","inPlace":true,"yes":"shop"}'`],
  run: (call) => askApproval(call, call.args.operation, parsed(call.args.request)),
});

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Reported below.
  }
  throw new LifeboatError("USAGE", "REQUEST must be an object in JSON");
}

export const approvalsRevokeCommand = defineCommand({
  description: "Ends an approval, so that its plan can no longer be carried out. The audit log keeps that.",
  arguments: { approval: { type: text, required: true, help: "Id of the approval." } },
  options: { reason: { type: text, value: "TEXT", help: "Why." } },
  json: true,
  run: (call) => perform(call, approvalsRevoke, { ...call.args, ...call.options }, ({ id }) => `approval ${id} is revoked`),
});
