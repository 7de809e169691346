// lifeboat approvals, approvals request, approvals revoke: plans that change production, and what became of them.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { ID_RANDOM_BYTES, makeId } from "../../core/ids.ts";
import type { Plan } from "../../core/plan.ts";
import { endApproval, frozenIds, readFrozen, storeFrozen } from "../../repository/approvals.ts";
import { readCheckpoint } from "../../repository/audit-log.ts";
import { thisOwner } from "../../repository/owner.ts";
import { frozenRequest, type Gated, genuine } from "../approval/gate.ts";
import { approvalId, approvalJson, approvalShape, GATED_OPERATIONS } from "../approval/schemas.ts";
import { removeEnded } from "../approval/sealed.ts";
import { thisUser } from "../audit/trail.ts";
import { type OperationContext, operation } from "../operation.ts";
import { plan } from "../recovery/schemas.ts";
import { about, instant, nextAction, sourceName } from "../schemas.ts";
import { accept } from "./accept.ts";
import { cutover } from "./cutover.ts";
import { promote } from "./promote.ts";
import { restore } from "./restore.ts";
import { undo } from "./undo.ts";

const DEFAULT_LIMIT = 50;

const GATES: Readonly<Record<(typeof GATED_OPERATIONS)[number], Gated>> = {
  restore: restore.gate,
  promote: promote.gate,
  accept: accept.gate,
  cutover: cutover.gate,
  undo: undo.gate,
};

export const approvals = operation({
  name: "approvals",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({
    source: z.optional(sourceName),
    limit: z.optional(about(z.number().check(z.int(), z.minimum(1)), `The newest, so many. Default: ${DEFAULT_LIMIT}.`)),
  }),
  result: z.strictObject({ approvals: about(z.array(approvalShape), "Newest first.") }),
  async run(context, { source, limit = DEFAULT_LIMIT }) {
    const found: z.infer<typeof approvalShape>[] = [];
    for (const id of await frozenIds(context.repository, context.signal)) {
      const frozen = await readFrozen(context.repository, id, context.signal);
      if (frozen?.signedBy === undefined || (source !== undefined && frozen.value.source !== source)) continue;
      found.push(await approvalJson(context, frozen));
      if (found.length === limit) break;
    }
    return { approvals: found };
  },
});

export const approvalsRequest = operation({
  name: "approvals request",
  access: "restore",
  // What is carried out is as it was frozen, so the request inside is judged as the operation's own.
  local: { refuse: ({ operation: name, request }) => GATES[name].whyLocal(request) },
  request: z.strictObject({
    operation: about(z.enum(GATED_OPERATIONS), "What is to be done."),
    request: about(z.record(z.string(), z.unknown()), "Its request. Passwords are left out of what is frozen."),
  }),
  result: z.strictObject({
    id: z.string(),
    operation: about(z.string(), "What it would do."),
    source: sourceName,
    digest: about(z.string(), "Of the plan."),
    expiresAt: instant,
    plan,
    next: about(z.array(nextAction), "For the approver, and afterwards."),
  }),
  async run(context, { operation: name, request }) {
    const gate = GATES[name];
    const sources = await gate.production(context, request);
    if (sources.length === 0) throw new LifeboatError("USAGE", `this ${name} changes no production that takes approval: run it`);
    const seen = await refused(gate.plan(context, request));
    // Words such as "5m" mean another instant later.
    const isTime = seen.to !== undefined && seen.to.kind !== "latest" && request.to !== undefined;
    const frozen = frozenRequest(isTime ? { ...request, to: seen.to?.target } : request);
    const planned = isTime ? await refused(gate.plan(context, { ...request, to: frozen.to })) : seen;
    const { digest } = planned;
    if (digest === undefined) throw new LifeboatError("CAPABILITY_MISSING", `${name} has no plan that could be approved`);
    const { clock, repository, approval, actor = thisUser() } = context;
    const at = clock.now();
    const id = makeId(at, clock.randomBytes(ID_RANDOM_BYTES));
    const expiresAt = new Date(at.getTime() + (approval?.validForMs ?? 0)).toISOString();
    const { user, host } = thisOwner();
    const content = {
      format: 1,
      id,
      operation: name,
      source: planned.source,
      request: frozen,
      plan: { ...planned },
      digest,
      requestedAt: at.toISOString(),
      expiresAt,
      requestedBy: actor,
      process: `${user}@${host}`,
      auditSize: (await readCheckpoint(repository).catch(() => undefined))?.size ?? 0,
    } as const;
    await storeFrozen(repository, content, showsRows(planned, frozen) ? context.sealKey : undefined);
    await context.audit?.record({ event: "request", operation: name, source: planned.source, actor, plan: digest, approval: id });
    return { id, operation: name, source: planned.source, digest, expiresAt, plan: planned, next: nextOf(id, name, planned, request) };
  },
});

/** Whether the values of rows are in the plan, or chosen by the request. */
const showsRows = ({ merge }: Plan, { where }: Readonly<Record<string, unknown>>): boolean => merge !== undefined || where !== undefined;

/** The plan, which must not be one that would be refused. */
async function refused(planning: Promise<Plan>): Promise<Plan> {
  const planned = await planning;
  const [refusal] = planned.refusals;
  if (refusal !== undefined) throw new LifeboatError(refusal.code, refusal.message);
  return planned;
}

function nextOf(id: string, name: string, { source }: Plan, request: Readonly<Record<string, unknown>>) {
  const subject = [request.branch, request.job].find((one) => typeof one === "string") ?? source;
  return [
    { text: "for a second person", commands: [`lifeboat approve ${id}`] },
    { text: "when it is approved", commands: [`lifeboat ${name} ${String(subject)} --approved ${id}`] },
  ];
}

export const approvalsRevoke = operation({
  name: "approvals revoke",
  access: "approve",
  storedOnly: () => true,
  request: z.strictObject({ approval: approvalId, reason: z.optional(about(z.string(), "Why.")) }),
  result: approvalShape,
  async run(context: OperationContext, { approval: id, reason }) {
    const frozen = await genuine(context, id);
    const { operation: name, source, digest } = frozen.value;
    await context.audit?.record({ event: "revoke", operation: name, source, actor: context.actor, plan: digest, approval: id, reason });
    const at = context.clock.now().toISOString();
    await endApproval(context.repository, { format: 1, id, how: "revoked", at, ...(reason !== undefined && { reason }) });
    if (frozen.value.sealed !== undefined) await removeEnded(context, id, context);
    return approvalJson(context, frozen);
  },
});
