// Preview: tables with counts, definitions that differ from now, and a read-only query, as of any instant that can be reached. Nothing is
// restored over: what the stored fingerprint does not tell is read from a restored copy, which is removed at the end.
import { asLifeboatError } from "../../core/errors.ts";
import type { Fingerprint } from "../../core/fingerprint.ts";
import { microsOf } from "../../core/micros.ts";
import type { Plan, PlanRoute } from "../../core/plan.ts";
import { type Asked, askedOf, type RecoveryTarget, targetInWords, type Understood, understood } from "../../core/recovery-target.ts";
import { wordsOf } from "../../core/words.ts";
import type { Answer, Question, QuestionLimits } from "../../ports/question.ts";
import { type Context, presentOf, type Source, type Watch } from "../context.ts";
import { runJob } from "../jobs/job.ts";
import { type Difference, definitionsThatDiffer } from "./compare.ts";
import { completePlan, NOTHING, type PlanPart, routeParts } from "./plan.ts";
import { isRecorded, recordedOf } from "./recorded.ts";
import { evidencePoint, jobPoint, type Resolved, type Route, resolve } from "./resolve.ts";
import { withRestoredCopy } from "./restored-copy.ts";

export interface PreviewRequest {
  readonly to: RecoveryTarget;
  readonly question?: Question | undefined;
  /** Default: 1000 rows, 1 MB, 30 s. */
  readonly limits?: Partial<QuestionLimits> | undefined;
  readonly unsigned?: boolean | undefined;
}

export interface PreviewedTable {
  readonly name: string;
  readonly rows: number;
}

export interface Previewed {
  readonly to: Asked;
  readonly route: PlanRoute;
  readonly holds?: Understood | undefined;
  /** From the fingerprint that was stored, or from a restored copy. */
  readonly readFrom: "fingerprint" | "copy";
  readonly tables: readonly PreviewedTable[];
  /** Undefined: the source could not be read now, for the reason that is given. */
  readonly differences?: readonly Difference[] | undefined;
  readonly notCompared?: string | undefined;
  readonly answer?: Answer | undefined;
  /** What a reader must know of how the target was reached. */
  readonly remarks: readonly string[];
}

const LIMITS: QuestionLimits = { rows: 1000, sizeBytes: 1_000_000, timeoutMs: 30_000 };

/** What a preview would do. Nothing is touched. */
export async function planPreview(context: Context, source: Source, request: PreviewRequest, watch: Watch): Promise<Plan> {
  const resolved = await resolve(context, source, request.to, watch, { unsigned: request.unsigned, every: true });
  const stored = request.question === undefined && (await isRecorded(resolved.route));
  const { question, to } = request;
  return completePlan(
    context,
    {
      verb: "preview",
      source,
      resolved,
      into: "scratch",
      request: { to: targetInWords(to), question },
      parts: stored ? [storedPart(resolved)] : copyParts(context, source, resolved.route, question),
    },
    watch,
  );
}

function storedPart({ told }: Resolved): PlanPart {
  return {
    steps: [{ action: "read", subject: `the fingerprint of ${told.what}`, effect: "none", reason: "it has the counts and definitions" }],
    timed: [],
  };
}

function copyParts(context: Context, source: Source, route: Route, question: Question | undefined): PlanPart[] {
  const { before, after } = routeParts(context, source, route);
  const loading: PlanPart =
    route.kind === "copy"
      ? {
          steps: [{ action: "create-scratch", subject: "a scratch database, and load into it", effect: "create", reason: "a preview" }],
          timed: [{ name: "create" }, { name: "load" }, { name: "verify" }],
        }
      : NOTHING;
  const subject = `each ${wordsOf(source.engine.name).table}`;
  return [
    before,
    loading,
    after,
    {
      steps: [
        { action: "read", subject, effect: "none", reason: "their counts and definitions are shown" },
        ...(question === undefined
          ? []
          : [{ action: "query", subject: "the restored copy", effect: "none", reason: "it was asked for" } as const]),
        { action: "remove-scratch", subject: "the scratch place", effect: "none", reason: "a preview leaves nothing" },
      ],
      timed: [],
    },
  ];
}

/** Looks at the data as of the target. QUERY_REFUSED for a query that does not only read. */
export async function preview(context: Context, source: Source, request: PreviewRequest, watch: Watch): Promise<Previewed> {
  const resolved = await resolve(context, source, request.to, watch, { unsigned: request.unsigned });
  const { route } = resolved;
  const recorded = request.question === undefined ? await recordedOf(context, route, watch) : undefined;
  if (recorded !== undefined) return previewed(context, source, resolved, route, recorded, "fingerprint", undefined, watch);
  return runJob(
    context,
    { verb: "preview", source: source.name, point: jobPoint(route), aside: true },
    watch,
    (job) =>
      withRestoredCopy(context, source, route, job, watch, false, async ({ connection, reached }) => {
        const work = { signal: job.signal, progress: watch.progress };
        const { question } = request;
        const found = await job.step("read", () => source.engine.fingerprint(connection(), { kind: "full" }, work));
        const limits = { ...LIMITS, ...request.limits };
        const answer =
          question === undefined ? undefined : await job.step("query", () => source.engine.ask(connection(), question, limits, work));
        return previewed(context, source, resolved, reached, found, "copy", answer, watch);
      }),
    () => ({ point: evidencePoint(route).id }),
  );
}

async function previewed(
  context: Context,
  source: Source,
  { asked, told }: Resolved,
  reached: Route,
  found: Fingerprint,
  readFrom: Previewed["readFrom"],
  answer: Answer | undefined,
  watch: Watch,
): Promise<Previewed> {
  const present = presentOf(context);
  const point = evidencePoint(reached);
  const isKnown = !(asked.kind === "lsn" && point.id === "history");
  return {
    to: askedOf(asked, present),
    route: told,
    holds: isKnown ? understood(microsOf(new Date(point.snapshotAt)), present) : undefined,
    readFrom,
    tables: Object.entries(found.tables).map(([name, { rows }]) => ({ name, rows })),
    ...(await differencesOf(source, found, watch)),
    answer,
    remarks: [
      ...(reached.kind === "copy" ? reached.copy.remarks : reached.kind === "provider" ? reached.target.remarks : []),
      ...found.unhashed.map(({ kind, object, reason }) => `${kind} ${object}: ${reason}`),
    ],
  };
}

/** Compares with the source as it is now. Without the source, the preview shows the rest. */
async function differencesOf(
  source: Source,
  then: Fingerprint,
  watch: Watch,
): Promise<Pick<Previewed, "differences"> & { readonly notCompared?: string }> {
  try {
    const now = await source.engine.fingerprint(await source.provider.connection(watch), { kind: "schema" }, watch);
    return { differences: definitionsThatDiffer(then, now) };
  } catch (error) {
    watch.signal.throwIfAborted();
    return { notCompared: asLifeboatError(error).message };
  }
}
