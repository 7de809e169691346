// Chosen tables, restored by the provider into the running source: beside the live ones under names of their own, or over them.
import { LifeboatError } from "../../core/errors.ts";
import { restoredSuffix } from "../../core/names.ts";
import type { PlanStep } from "../../core/plan.ts";
import type { Check } from "../../core/verdict.ts";
import type { Probe } from "../../ports/probe.ts";
import type { Context, Source, Watch } from "../context.ts";
import { historyControl } from "../points/look.ts";
import type { ReadyRestore } from "./destination.ts";
import { eraseInUse } from "./erase.ts";
import { type PlanPart, roundings } from "./plan.ts";
import { readings } from "./prove.ts";
import { expectedOf, type ProviderTarget } from "./provider.ts";
import { confirmation, refusalBy } from "./provider-place.ts";

export interface TablesRequest {
  readonly tables: readonly string[];
  /** Overwrite the live ones. */
  readonly replace?: boolean | undefined;
  readonly yes?: string | undefined;
}

export async function prepareTables(
  context: Context,
  source: Source,
  target: ProviderTarget,
  { tables, replace = false, yes }: TablesRequest,
  watch: Watch,
): Promise<ReadyRestore> {
  const history = historyControl(source);
  const bring = history.tables?.bind(history);
  if (bring === undefined) throw new LifeboatError("CAPABILITY_MISSING", `the provider of ${source.name} restores no chosen tables`);
  const names = tables.join(", ");
  const suffix = restoredSuffix(context.clock.now());
  const refusals = (await history.obstacles({ target: target.history, inPlace: false }, watch)).map(refusalBy);
  const lost = `${names} of ${source.name} would be overwritten with ${target.point.name}`;
  if (replace && yes !== source.name) refusals.push(confirmation(source, lost));
  return {
    into: "tables",
    partial: true,
    request: { tables, replace },
    parts: [partOf(target, names, replace ? undefined : tables.map((name) => name + suffix).join(", "))],
    refusals,
    exclusive: true,
    async carryOut(job) {
      for (const remark of target.remarks) watch.progress.note(remark);
      const work = { signal: job.signal, progress: watch.progress };
      const { restored, warnings } = await job.step("restore", () => bring({ target: target.history, tables, replace, suffix, ...work }));
      const connection = await source.provider.connection(work);
      const original = (name: string): string => (!replace && name.endsWith(suffix) ? name.slice(0, -suffix.length) : name);
      const checks = await job.step("verify", async () => {
        const actual = await source.engine.fingerprint(connection, { kind: "tables", tables: [...restored] }, work);
        const expected = await expectedOf(context, target, watch);
        const compared =
          expected === undefined ? [] : restored.map((name) => equal(name, expected.tables[original(name)], actual.tables[name]));
        const probes = probesOf(source.probes, restored, original);
        const probed =
          probes.length === 0 ? [] : await source.engine.probe(connection, probes, target.at, { ...work, mayHaveExpired: true });
        return [...readings(actual, compared.length + probed.length > 0, source), ...compared, ...probed];
      });
      const reached = { kind: "provider", target } as const;
      const into = `${restored.join(", ")} at ${connection.label}`;
      const nameOf = (table: string): string => (replace ? table : table + suffix);
      const erased = await eraseInUse(context, source, () => connection, job, watch, { tables: restored, nameOf });
      return {
        reached,
        target: into,
        checks: [...checks, ...erased.checks],
        remarks: [...warnings, ...erased.remarks],
        erasures: erased.erasures,
        warnings: [...target.remarks, ...warnings],
        tables: restored,
      };
    },
  };
}

function partOf(target: ProviderTarget, names: string, beside: string | undefined): PlanPart {
  const reason = `it holds the data of ${target.point.snapshotAt}`;
  const act: PlanStep =
    beside === undefined
      ? { action: "overwrite", subject: names, object: target.point.name, effect: "remove", reason }
      : { action: "restore-beside", subject: names, name: beside, effect: "create", reason };
  const proof: PlanStep = { action: "read", subject: names, effect: "none", reason: "a restore counts when it is proven" };
  return { steps: [...roundings(target), act, proof], timed: [{ name: "restore" }, { name: "verify" }] };
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
