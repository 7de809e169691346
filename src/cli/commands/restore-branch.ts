// The part of `lifeboat restore` that happens within the provider: into a branch of its own, or in place.
import { EXIT, type ExitStatus, LifeboatError } from "../../core/errors.ts";
import { renderPlan } from "../../core/plan.ts";
import { shown } from "../../core/visible.ts";
import { type PastTarget, pastTargetOf } from "../../operations/recovery/history.ts";
import { planBranchRestore } from "../../operations/recovery/provider-plan.ts";
import { assertNotDoneAlready, type BranchRestored, branchRestore } from "../../operations/recovery/provider-restore.ts";
import { planTablesRestore, tablesRestore } from "../../operations/recovery/provider-tables.ts";
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
  const chosen = atProvider(source, options);
  if (options.inPlace && !options.plan) await assertNotDoneAlready(workshop, source, watch);
  const past = chosen === undefined ? undefined : await pastTargetOf(workshop, source, options.to, watch);
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
  if (chosen !== undefined && "tables" in chosen) return restoreTables(context, workshop, source, past, { ...options, ...chosen }, watch);
  if (options.plan) {
    const plan = await planBranchRestore(workshop, source, past, options, watch);
    context.emit(plan, () => renderPlan(plan));
    return plan.refusals.length > 0 ? EXIT.usage : EXIT.done;
  }
  const restored = await branchRestore(workshop, source, past, options, watch);
  const handed = await handOver(restored.connection, options);
  const { branch, kept, warnings, connection } = restored;
  const place = source.provider.history?.place ?? "branch";
  const value = {
    ...findingJson(restored),
    branch: branch ?? null,
    [place]: branch ?? null,
    kept: kept ?? null,
    warnings,
    ...connectionJson(connection, handed),
  };
  context.emit(value, () => human(restored, handed, source, workshop.repository.storage.url, context.paint));
  return exitOfFinding(restored);
}

/** Whether the provider itself can do it: the whole, or chosen tables. Undefined: it is loaded from a backup. */
function atProvider(source: Source, options: WithinOptions): { readonly tables: readonly string[] } | { readonly whole: true } | undefined {
  const { tables, dataOnly, replace, into, inPlace } = options;
  if (dataOnly || into?.includes("://")) return undefined;
  const history = source.managed === true && (tables !== undefined || replace) ? source.provider.history : undefined;
  if (tables !== undefined) {
    if (history?.tables === undefined || into !== undefined) return undefined;
    if (inPlace) throw new LifeboatError("USAGE", "--in-place sets everything back: --tables has no meaning beside it");
    return { tables };
  }
  // A place of the provider's that is there: only some providers restore over one.
  if (replace && history?.over === undefined) return undefined;
  return { whole: true };
}

async function restoreTables(
  context: Pick<CommandContext, "emit" | "paint">,
  workshop: Workshop,
  source: Source,
  past: PastTarget,
  options: WithinOptions & { readonly tables: readonly string[] },
  watch: Watch,
): Promise<ExitStatus> {
  if (options.plan) {
    const plan = await planTablesRestore(workshop, source, past, options, watch);
    context.emit(plan, () => renderPlan(plan));
    return plan.refusals.length > 0 ? EXIT.usage : EXIT.done;
  }
  const restored = await tablesRestore(workshop, source, past, options, watch);
  const { warnings, restored: names } = restored;
  context.emit({ ...findingJson(restored), restored: names, warnings }, () =>
    [
      renderFinding(restored, workshop.repository.storage.url, context.paint),
      renderFacts([["restored", shown(names).join("\n")]], context.paint),
    ].join("\n"),
  );
  return exitOfFinding(restored);
}

function human(restored: BranchRestored, { url, file }: HandedOver, source: Source, storage: string, paint: Paint): string {
  const { branch, kept } = shown({ branch: restored.branch, kept: restored.kept });
  const place = source.provider.history?.place ?? "branch";
  return [
    renderFinding(restored, storage, paint),
    renderFacts(
      [
        [place, branch && `${branch.name} (${branch.id})`],
        ["kept", kept && `${kept.name} (${kept.id}): the state before`],
        ["connection", url],
        ["written to", file],
      ],
      paint,
    ),
    paint.dim(`next: ${nextStep(restored, source)}`),
  ].join("\n");
}

function nextStep({ branch, kept, evidence }: BranchRestored, source: Source): string {
  if (branch === undefined) return `lifeboat accept ${evidence.id}   (when it is good; ${kept?.name} goes 7 days later, not before)`;
  if (source.provider.history?.promote !== undefined)
    return `lifeboat promote ${branch.name} --yes ${source.name}   (to make it production)`;
  return `point the application at ${branch.name}, or set production itself back: lifeboat restore ${source.name} --to … --in-place --yes ${source.name}`;
}
