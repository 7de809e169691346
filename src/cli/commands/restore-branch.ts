// The part of `lifeboat restore` that happens within the provider: into a branch of its own, or in place.
import { EXIT, type ExitStatus, LifeboatError } from "../../core/errors.ts";
import { renderPlan } from "../../core/plan.ts";
import { assertNotDoneAlready, type BranchRestored, branchRestore, planBranchRestore } from "../../operations/branch-restore.ts";
import { pastTargetOf } from "../../operations/history-target.ts";
import { findAnyPoint } from "../../operations/snapshots.ts";
import type { Source, Watch, Workshop } from "../../operations/workshop.ts";
import type { CommandContext } from "../command.ts";
import { connectionJson, type HandedOver, handOver } from "../hand-over.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts } from "../render/table.ts";

export interface WithinOptions {
  readonly to: string;
  readonly into?: string | undefined;
  readonly inPlace?: boolean | undefined;
  readonly keepAs?: string | undefined;
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  readonly replace?: boolean | undefined;
  readonly yes?: string | undefined;
  readonly plan?: boolean | undefined;
  readonly showPassword?: boolean | undefined;
  readonly urlFile?: string | undefined;
}

/** Restores within the provider where the target is one of its own; undefined: it is a matter of backups and databases. */
export async function restoreWithinProvider(
  context: Pick<CommandContext, "emit" | "paint">,
  workshop: Workshop,
  source: Source,
  options: WithinOptions,
  watch: Watch,
): Promise<ExitStatus | undefined> {
  // Chosen tables, rows only and an address are loaded from a backup: a branch is always whole, and at the provider.
  const loaded = options.tables !== undefined || options.dataOnly || options.replace || options.into?.includes("://") === true;
  if (options.inPlace && !options.plan) await assertNotDoneAlready(workshop, source, watch);
  const past = loaded ? undefined : await pastTargetOf(workshop, source, options.to, watch);
  if (past === undefined) {
    // A name that nobody knows is worth more words than a missing option.
    if (source.managed && options.into === undefined) await findAnyPoint(workshop, options.to, source.name, watch);
    if (!options.inPlace) return undefined;
    throw new LifeboatError(
      "CAPABILITY_MISSING",
      `${source.name} cannot be set back to ${options.to} in place: its provider does not hold that`,
      {
        hint: `run \`lifeboat list ${source.name}\` to see what it holds, or restore into a new place with --into`,
      },
    );
  }
  if (options.inPlace && options.into !== undefined) throw new LifeboatError("USAGE", "--in-place and --into exclude each other");
  if (options.plan) {
    const plan = await planBranchRestore(workshop, source, past, options, watch);
    context.emit(plan, () => renderPlan(plan));
    return plan.refusals.length > 0 ? EXIT.usage : EXIT.done;
  }
  const restored = await branchRestore(workshop, source, past, options, watch);
  const handed = await handOver(restored.connection, options);
  const { branch, kept, warnings, connection } = restored;
  const value = { ...findingJson(restored), branch: branch ?? null, kept: kept ?? null, warnings, ...connectionJson(connection, handed) };
  context.emit(value, () => human(restored, handed, source, workshop.repository.storage.url, context.paint));
  return exitOfFinding(restored);
}

function human(restored: BranchRestored, { url, file }: HandedOver, source: Source, place: string, paint: Paint): string {
  const { branch, kept, evidence } = restored;
  const next =
    branch === undefined
      ? `lifeboat accept ${evidence.id}   (when it is good; ${kept?.name} goes 7 days later, not before)`
      : `lifeboat promote ${branch.name} --yes ${source.name}   (to make it production)`;
  return [
    renderFinding(restored, place, paint),
    renderFacts(
      [
        ["branch", branch && `${branch.name} (${branch.id})`],
        ["kept", kept && `${kept.name} (${kept.id}): the state before`],
        ["connection", url],
        ["written to", file],
      ],
      paint,
    ),
    paint.dim(`next: ${next}`),
  ].join("\n");
}
