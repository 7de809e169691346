// Promote: a branch becomes production, under production's name pattern; what was production is kept as a rollback.
import { LifeboatError } from "../../core/errors.ts";
import { NAME_PATTERNS } from "../../core/names.ts";
import type { Plan, PlanRefusal } from "../../core/plan.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { recoverJobs } from "../jobs/recover.ts";
import { RESOURCE } from "../jobs/undo.ts";
import { recordKept } from "../jobs/undo-provider.ts";
import { requireDigest, withDigest } from "../plan-digest.ts";
import { historyControl } from "../points/look.ts";
import { findSnapshot } from "../points/snapshots.ts";
import { eraseInUse } from "./erase.ts";
import { freeBranchName } from "./provider-names.ts";

export interface PromoteRequest {
  /** The branch, by name or id. */
  readonly branch: string;
  /** Its new name. Default: `production-YYYYMMDD`, or the name that the configuration asks for. */
  readonly name?: string | undefined;
  /** Name under which the present production is kept. Default: `rollback-YYYYMMDD`. */
  readonly keepAs?: string | undefined;
  /** The source's name, as confirmation. */
  readonly yes?: string | undefined;
  /** The digest that the plan must have: PLAN_CHANGED otherwise. */
  readonly planDigest?: string | undefined;
}

export interface Promoted {
  readonly job: string;
  readonly name: string;
  readonly connection: Connection;
  readonly kept: { readonly id: string; readonly name: string };
  readonly warnings: readonly string[];
}

interface Promotion {
  readonly branch: { readonly id: string; readonly name: string };
  readonly name: string;
  readonly keepAs: string;
  readonly refusals: readonly PlanRefusal[];
}

export async function planPromote(context: Context, source: Source, request: PromoteRequest, watch: Watch): Promise<Plan> {
  promotionOf(source);
  const { branch, name, keepAs, refusals } = await promotionFor(context, source, request, watch);
  return promotionPlan(source, { branch, name, keepAs, refusals }, request);
}

function promotionPlan(source: Source, { branch, name, keepAs, refusals }: Promotion, request: PromoteRequest): Plan {
  const plan: Plan = {
    verb: "promote",
    source: source.name,
    steps: [
      {
        action: "keep",
        subject: "the present production",
        name: `branch ${keepAs}`,
        effect: "change",
        reason: "it goes some days after the promotion was accepted",
      },
      { action: "promote", subject: `branch ${branch.name}`, name, effect: "change", reason: "it was restored and is to be used" },
    ],
    refusals,
    facts: { branch: branch.id },
  };
  return withDigest(plan, { branch: request.branch, name: request.name, keepAs: request.keepAs });
}

/** BRANCH_UNKNOWN, CONFIRMATION_NEEDED, and what the provider throws. */
export async function promote(context: Context, source: Source, request: PromoteRequest, watch: Watch): Promise<Promoted> {
  await recoverJobs(context, watch.progress); // a promotion that died half-way is ended first
  const promoting = promotionOf(source);
  const { branch, name, keepAs, refusals } = await promotionFor(context, source, request, watch);
  const { digest } = promotionPlan(source, { branch, name, keepAs, refusals }, request);
  requireDigest(digest, request.planDigest);
  const [refusal] = refusals;
  if (refusal !== undefined) {
    throw new LifeboatError(refusal.code, refusal.message, { hint: `repeat the command with --yes ${source.name} when you are sure` });
  }
  return runJob(
    context,
    { verb: "promote", source: source.name, exclusive: true, plan: digest },
    watch,
    async (job) => {
      const resource = RESOURCE.promotion(source.name, job.id, branch.id, name, keepAs);
      await job.declare(resource);
      await job.assertAlive();
      const { connection, kept, warnings } = await job.step("promote", () =>
        promoting({ branch: branch.id, name, keepAs, signal: job.signal, progress: watch.progress }),
      );
      await recordKept(context, source.name, kept, { job: job.id, verb: "promote" });
      await job.withdraw(resource);
      // The branch may be older than an entry of the ledger.
      const { checks } = await eraseInUse(context, source, () => connection, job, watch);
      const told = checks.map(({ name: what, message }) => `${what}: ${message}`);
      return { job: job.id, name, connection, kept, warnings: [...warnings, ...told] };
    },
    ({ kept }) => ({ branch: name, kept: kept.name }),
  );
}

function promotionOf(source: Source) {
  const history = historyControl(source);
  if (history.promote !== undefined) return history.promote.bind(history);
  throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} cannot give a ${history.place} another's name`, {
    hint: `point the application at the restored ${history.place} instead, or restore in place`,
  });
}

async function promotionFor(context: Context, source: Source, request: PromoteRequest, watch: Watch): Promise<Promotion> {
  const history = historyControl(source);
  const branch = await history.find(request.branch, watch);
  if (branch === undefined) {
    const point = await findSnapshot(context, request.branch, [source], watch);
    throw new LifeboatError("BRANCH_UNKNOWN", `${source.name} has no branch ${request.branch}`, {
      ...(point && { hint: `it is a snapshot: \`lifeboat restore ${source.name} --to ${request.branch}\` makes a branch of it` }),
    });
  }
  if (branch.production) throw new LifeboatError("USAGE", `branch ${branch.name} of ${source.name} is production already`);
  const at = context.clock.now();
  const name = request.name ?? source.productionName ?? (await freeBranchName(source, NAME_PATTERNS.production, undefined, at, watch));
  const keepAs = await freeBranchName(source, NAME_PATTERNS.rollback, request.keepAs, at, watch);
  const refusals: PlanRefusal[] =
    request.yes === source.name
      ? []
      : [{ code: "CONFIRMATION_NEEDED", message: `branch ${branch.name} would take the place of production of ${source.name}` }];
  return { branch, name, keepAs, refusals };
}
