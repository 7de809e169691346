// The gate: a change to the production of a source that takes approval is carried out only as a second person has approved it, or with the
// glass broken. Every adapter passes it, because `gated` puts it before `run`.
import { withoutPassword } from "../../core/address.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import type { Plan } from "../../core/plan.ts";
import { approvalText, approversOf, contentOf, endApproval, type FrozenPlan, readEnd, readFrozen } from "../../repository/approvals.ts";
import { entriesBackwards } from "../../repository/audit-log.ts";
import type { Signed } from "../../repository/signed.ts";
import { thisUser } from "../audit/trail.ts";
import type { Approver, Context, Permit, Watch } from "../context.ts";
import { canonical } from "../plan-digest.ts";
import { announce } from "../watch/beat.ts";
import { removeEnded } from "./sealed.ts";

type Fields = Readonly<Record<string, unknown>>;

/** What the gate asks of an operation. */
export interface Gated {
  readonly name: string;
  /** The sources that take approval and whose production the request would change. */
  production(context: Context & Watch, request: Fields): Promise<readonly string[]>;
  plan(context: Context & Watch, request: Fields): Promise<Plan>;
  /** Why the request makes sense only on this machine. */
  whyLocal(request: Fields): string | undefined;
}

export interface Passed {
  readonly request: Fields;
  readonly permit?: Permit | undefined;
}

/** Lets the request pass, as it was approved. APPROVAL_NEEDED, APPROVAL_INVALID, PLAN_CHANGED. */
export async function passGate(operation: Omit<Gated, "whyLocal">, context: Context & Watch, given: Fields): Promise<Passed> {
  const { approved, breakGlass, ...request } = given;
  if (approved === undefined && breakGlass === undefined && ![...context.sources.values()].some(({ approval }) => approval === true))
    return { request };
  if (typeof approved === "string" && typeof breakGlass === "string")
    throw new LifeboatError("USAGE", "an approval and --break-glass exclude each other");
  if (typeof approved === "string") return passApproved(operation, context, request, approved);
  const sources = await operation.production(context, request);
  if (typeof breakGlass === "string") return { request, permit: await breakTheGlass(operation, context, sources, breakGlass) };
  const [source] = sources;
  if (source === undefined) return { request };
  throw new LifeboatError(
    "APPROVAL_NEEDED",
    `${operation.name} would change production of ${source}, which takes the approval of a second person`,
    {
      hint: "repeat the command with --request-approval (in the API: approvals-request), and have a second person approve the plan",
      details: { source },
    },
  );
}

const invalid = (id: string, why: string, hint?: string): LifeboatError =>
  new LifeboatError("APPROVAL_INVALID", `approval ${id} ${why}: nothing was done`, { ...(hint && { hint }) });

/** Fields that say how, and not what. */
const ASIDE: ReadonlySet<string> = new Set(["credentials", "planDigest", "approved", "breakGlass"]);

/** The request as it is frozen and compared: without secrets, and without what is not given. */
export function frozenRequest(request: Fields): Fields {
  const kept = Object.entries(request).filter(([name, value]) => !ASIDE.has(name) && value !== undefined && value !== false);
  return Object.fromEntries(
    kept.map(([name, value]) => [name, typeof value === "string" && value.includes("://") ? withoutPassword(value) : value]),
  );
}

async function passApproved(operation: Omit<Gated, "whyLocal">, context: Context & Watch, given: Fields, id: string): Promise<Passed> {
  const frozen = await genuine(context, id);
  const { value } = frozen;
  const present = Object.fromEntries(Object.entries(given).filter(([, field]) => field !== undefined));
  const approvers = await validApprovers(context, frozen);
  const { request: approved } = await contentOf(context.repository, value, context.openKey, context.signal);
  const request: Fields = { ...approved, ...present };
  if (value.operation !== operation.name || canonical(frozenRequest(request)) !== canonical(approved))
    throw invalid(id, `is of another request: ${value.operation} of ${value.source}`, "leave out what the approved request says itself");
  // A given id is that of the job which carries it out, not of one that looks.
  const { digest } = await operation.plan({ ...context, jobId: undefined }, request);
  if (digest !== value.digest) throw invalid(id, "is of another plan, because what it depends on has changed");
  return {
    request: { ...request, planDigest: value.digest },
    permit: {
      approval: { id, approvers, digest: value.digest },
      mustLog: true,
      use: async (job) => {
        try {
          await endApproval(context.repository, { format: 1, id, how: "used", at: context.clock.now().toISOString(), job });
        } catch (error) {
          throw isLifeboatError(error, "STORAGE_CONFLICT") ? invalid(id, "was used already") : error;
        }
        if (value.sealed !== undefined) await removeEnded(context, id, context);
      },
    },
  };
}

/** The frozen plan, as a machine whose key is trusted stored it. APPROVAL_INVALID. */
export async function genuine(context: Context, id: string): Promise<Signed<FrozenPlan>> {
  const frozen = await readFrozen(context.repository, id);
  if (frozen === undefined) throw invalid(id, "does not exist");
  if (frozen.signedBy === undefined) throw invalid(id, "is of a plan that no trusted key signed");
  return frozen;
}

/** Who approved the plan. APPROVAL_INVALID: no approver whose signature counts, or it is over. */
async function validApprovers(context: Context & Watch, frozen: Signed<FrozenPlan>): Promise<string[]> {
  const { value } = frozen;
  const ended = await endOf(context, value);
  if (ended !== undefined) throw invalid(value.id, ended);
  const all = context.approval?.approvers ?? [];
  const signed = await approversOf(context.repository, value.id, approvalText(context.repository, frozen), all, context.signal);
  const others = all.filter((one) => signed.some(({ name }) => name === one.name) && selfApproval(one, frozen) === undefined);
  if (others.length > 0) return others.map(({ name }) => name);
  const own = all.find((one) => signed.some(({ name }) => name === one.name));
  const why = own && selfApproval(own, frozen);
  throw invalid(
    value.id,
    why ?? "is not signed by an approver of this configuration",
    `have a second person run \`lifeboat approve ${value.id}\``,
  );
}

/** Why this approver does not count as a second person. */
export function selfApproval({ name, key, identities }: Approver, { value, signedBy }: Signed<FrozenPlan>): string | undefined {
  const { requestedBy, process } = value;
  if (key.text === signedBy?.text) return `was signed with the key of the machine that asked for it`;
  if ([name, ...identities].some((identity) => identity === requestedBy.name || identity === process)) return `was asked for by ${name}`;
  return undefined;
}

/** Why it can no longer be carried out. The audit log is asked too: an object of the storage can be deleted. */
export async function endOf(context: Context & Watch, { id, expiresAt, auditSize }: FrozenPlan): Promise<string | undefined> {
  const { repository, clock, signal } = context;
  if (Date.parse(expiresAt) <= clock.now().getTime()) return `expired at ${expiresAt}`;
  const end = await readEnd(repository, id, signal);
  if (end !== undefined) return end === "unsigned" ? "has an end that no trusted key signed" : `was ${end.how} already`;
  if (context.audit === undefined) return undefined;
  for await (const { index, entry } of entriesBackwards(repository, signal)) {
    if (index < auditSize) break;
    if (entry.approval === id && (entry.event === "begin" || entry.event === "revoke"))
      return entry.event === "begin" ? "was used already" : "was revoked already";
  }
  return undefined;
}

/** Never silent: recorded and told to every channel before anything is changed. */
async function breakTheGlass(
  operation: Pick<Gated, "name">,
  context: Context & Watch,
  sources: readonly string[],
  given: string,
): Promise<Permit> {
  const reason = given.trim().slice(0, 500);
  const actor = context.actor ?? thisUser();
  if (reason.length < 8) throw new LifeboatError("USAGE", "--break-glass takes the reason, in a few words");
  if (actor.kind === "token" || actor.via === "mcp")
    throw new LifeboatError("APPROVAL_NEEDED", "only a person can change production without approval, not a token or an agent", {
      hint: "freeze the plan with approvals-request, and have a second person approve it",
    });
  const { name } = operation;
  const message = `${actor.name} runs ${name} without approval: "${reason}"`;
  context.progress.note(`without approval: ${message}`);
  if ((context.notifiers?.size ?? 0) === 0) context.progress.note("no notification channel is configured, so no one is told");
  for (const source of sources.length > 0 ? sources : [undefined]) {
    const waits = await context.audit?.record({ event: "break-glass", operation: name, source, actor: context.actor, reason });
    if (waits !== undefined) context.progress.note(`the audit log cannot be written (${waits}); the entry waits on this machine`);
    await announce(context, { source: source ?? null, code: "BREAK_GLASS", message }, context);
  }
  return { glass: reason, mustLog: false, use: async () => {} };
}
