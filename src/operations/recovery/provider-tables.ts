// Chosen tables, brought back by the provider into the running source: beside the live ones under names of their own, or over them.
import { LifeboatError } from "../../core/errors.ts";
import { restoredSuffix } from "../../core/names.ts";
import { judgeObjective } from "../../core/objectives.ts";
import type { Plan, PlanRefusal } from "../../core/plan.ts";
import { type Check, isSoundCopy } from "../../core/verdict.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Probe } from "../../ports/engine.ts";
import type { Context, Source, Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { historyControl } from "../points/look.ts";
import { conclude, type Finding, measuredSeconds } from "./conclude.ts";
import { expectedOf, type PastTarget } from "./history.ts";
import { readings } from "./prove.ts";
import { noted } from "./provider-plan.ts";
import { toldIn, toldOf } from "./resolve.ts";

export interface TablesRestoreRequest {
  readonly tables: readonly string[];
  /** Overwrite the live ones. */
  readonly replace?: boolean | undefined;
  readonly yes?: string | undefined;
}

export interface TablesRestored extends Finding {
  readonly connection: Connection;
  /** Names as they are now. */
  readonly restored: readonly string[];
  readonly warnings: readonly string[];
}

/** What it would do, and what stands against it. */
export async function planTablesRestore(
  context: Context,
  source: Source,
  past: PastTarget,
  request: TablesRestoreRequest,
  watch: Watch,
): Promise<Plan> {
  const names = request.tables.join(", ");
  const what = request.replace
    ? `overwrite ${names} with ${past.point.name}`
    : `bring ${names} back beside the live ones, as ${request.tables.map((name) => name + restoredSuffix(context.clock.now())).join(", ")}`;
  return {
    verb: "restore",
    source: source.name,
    ...toldIn(context, toldOf(past)),
    steps: [
      ...past.remarks.map(noted),
      { what, effect: request.replace ? "remove" : "create", reason: `it holds the data of ${past.point.snapshotAt}` },
      { what: "read them, ask their probes", effect: "none", reason: "a restore counts when it is proven" },
    ],
    refusals: await refusalsOf(source, past, request, watch),
  };
}

async function refusalsOf(source: Source, past: PastTarget, request: TablesRestoreRequest, watch: Watch): Promise<PlanRefusal[]> {
  const found = await historyControl(source).obstacles({ target: past.target, inPlace: false }, watch);
  const refusals = found.map((message): PlanRefusal => ({ code: "PROVIDER_REFUSED", message }));
  if (request.replace && request.yes !== source.name) {
    const message = `${request.tables.join(", ")} of ${source.name} would be overwritten with ${past.point.name}`;
    refusals.push({ code: "CONFIRMATION_NEEDED", message });
  }
  return refusals;
}

/** Brings them back, and proves what came. */
export async function tablesRestore(
  context: Context,
  source: Source,
  past: PastTarget,
  request: TablesRestoreRequest,
  watch: Watch,
): Promise<TablesRestored> {
  const history = historyControl(source);
  if (history.tables === undefined)
    throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} restores no chosen tables`);
  const bring = history.tables.bind(history);
  const [refusal] = await refusalsOf(source, past, request, watch);
  if (refusal !== undefined) {
    const hint = `repeat the command with --yes ${source.name} when you are sure`;
    throw new LifeboatError(refusal.code, refusal.message, refusal.code === "CONFIRMATION_NEEDED" ? { hint } : {});
  }
  for (const remark of past.remarks) watch.progress.note(remark);
  const suffix = restoredSuffix(context.clock.now());
  const replace = request.replace === true;
  return runJob(
    context,
    { verb: "restore", source: source.name, exclusive: true, point: past.entry?.point.id, aside: true },
    watch,
    async (job) => {
      const work = { signal: job.signal, progress: watch.progress };
      const { restored, warnings } = await job.step("restore", () =>
        bring({ target: past.target, tables: request.tables, replace, suffix, ...work }),
      );
      const connection = await source.provider.connection(work);
      const original = (name: string): string => (!replace && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name);
      const checks = await job.step("verify", async () => {
        const actual = await source.engine.fingerprint(connection, { kind: "tables", tables: [...restored] }, work);
        const expected = await expectedOf(context, past, watch);
        const compared =
          expected === undefined ? [] : restored.map((name) => equal(name, expected.tables[original(name)], actual.tables[name]));
        const probes = probesOf(source.probes, restored, original);
        const probed = probes.length === 0 ? [] : await source.engine.probe(connection, probes, past.at, work);
        return [...readings(actual, compared.length + probed.length > 0, source), ...compared, ...probed];
      });
      const objective = { rtoSeconds: source.objective.rtoSeconds };
      const achieved = { rtoSeconds: measuredSeconds(job), rpoSeconds: past.instant && isSoundCopy(checks) ? 0 : undefined };
      const remarks = [...past.remarks, ...warnings];
      const finding = await conclude(context, source, {
        verb: "restore",
        job,
        asked: past.asked,
        point: past.point,
        target: `${restored.join(", ")} at ${connection.label}`,
        checks: [...checks, ...judgeObjective(objective, achieved)],
        objective,
        achieved,
        remarks,
      });
      return { ...finding, connection, restored, warnings: remarks };
    },
    ({ evidence, restored }) => ({ verdict: evidence.verdict, point: past.point.id, restored: restored.join(", ") }),
  );
}

/** The source's probes about these tables, asked of them under the names they have now. */
function probesOf(probes: readonly Probe[], restored: readonly string[], original: (name: string) => string): Probe[] {
  return restored.flatMap((name) =>
    probes.flatMap((probe): Probe[] => {
      if ("table" in probe) return probe.table === original(name) ? [{ ...probe, table: name }] : [];
      return "collection" in probe && probe.collection === original(name) ? [{ ...probe, collection: name }] : [];
    }),
  );
}

type Content = { readonly rows: number; readonly digest: string | null } | undefined;

function equal(name: string, expected: Content, actual: Content): Check {
  const check = { name: `content of ${name}`, kind: "data" as const, rows: actual?.rows };
  if (expected === undefined) return { ...check, outcome: "inconclusive", message: "the snapshot's fingerprint does not know it" };
  if (actual === undefined) return { ...check, outcome: "fail", message: "it is not there" };
  const said = { expected: `${expected.rows} rows`, actual: `${actual.rows} rows` };
  if (expected.rows !== actual.rows)
    return { ...check, ...said, outcome: "fail", message: `${actual.rows} rows came back of ${expected.rows}` };
  if (expected.digest === null || actual.digest === null) return { ...check, outcome: "inconclusive", message: "it could not be hashed" };
  if (expected.digest !== actual.digest) return { ...check, outcome: "fail", message: "its rows differ from those of the snapshot" };
  return { ...check, outcome: "pass", message: `${actual.rows} rows, equal to the snapshot's fingerprint` };
}
