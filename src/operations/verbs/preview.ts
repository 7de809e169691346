// lifeboat preview: the data as of a restore point or an instant, without a restore over anything.
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { onTimeline, parseRecoveryTarget } from "../../core/recovery-target.ts";
import type { Question } from "../../ports/question.ts";
import { type Context, presentOf, type Source } from "../context.ts";
import { operation } from "../operation.ts";
import { findAnyPoint } from "../points/snapshots.ts";
import { type PreviewRequest, planPreview, preview as previewSource } from "../recovery/preview.ts";
import { asked, exitOfPlan, plan, routeFields, timelineField, understood } from "../recovery/schemas.ts";
import { about, count, orNull, pointName, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const text = (help: string) => z.optional(about(z.string(), help));

const request = z.strictObject({
  point: z.optional(pointName),
  source: z.optional(about(sourceName, "Default: the source of the point, or the only one.")),
  to: text("Recovery target, in place of a point."),
  timeline: z.optional(timelineField),
  query: text("One SQL query that only reads."),
  collection: text("The collection of an aggregation."),
  aggregate: text("A pipeline that only reads, as extended JSON."),
  rows: z.optional(about(z.number().check(z.int(), z.minimum(1), z.maximum(100_000)), "Most rows of the query. Default: 1000.")),
  unsigned: z.optional(about(z.boolean(), "A point that no trusted key has signed will do.")),
});
type Request = z.infer<typeof request>;

export const preview = operation({
  name: "preview",
  access: "restore",
  local: { fields: ["unsigned"] },
  request,
  result: z.strictObject({
    source: sourceName,
    to: asked,
    route: z.strictObject(routeFields),
    holds: orNull(understood),
    readFrom: about(z.enum(["fingerprint", "copy"]), "The stored fingerprint, or a restored copy that was removed again."),
    tables: z.array(z.strictObject({ name: z.string(), rows: about(count, "Rows or documents.") })),
    differences: about(
      orNull(
        z.readonly(
          z.array(
            z.strictObject({
              object: about(z.string(), "Kind and name of the definition."),
              change: about(z.enum(["only then", "only now", "changed"]), "From then to now."),
            }),
          ),
        ),
      ),
      "Definitions that differ from now. Null: not compared.",
    ),
    notCompared: about(orNull(z.string()), "Why definitions were not compared."),
    answer: orNull(
      z.strictObject({
        columns: about(z.readonly(z.array(z.string())), "Their names."),
        rows: about(z.readonly(z.array(z.readonly(z.array(z.unknown())))), "The values of each, in the order of the columns."),
        truncated: about(z.boolean(), "Rows beyond the limits were left out."),
      }),
    ),
    warnings: z.readonly(z.array(z.string())),
  }),
  plan: {
    result: plan,
    async run(context, asking) {
      const { source, ...wanted } = await wantedOf(context, asking);
      return planPreview(context, source, wanted, context);
    },
    exit: exitOfPlan,
  },

  async run(context, asking) {
    const { source, ...wanted } = await wantedOf(context, asking);
    const { to, route, holds, readFrom, tables, differences, notCompared, answer, remarks } = await previewSource(
      context,
      source,
      wanted,
      context,
    );
    return {
      source: source.name,
      to,
      route,
      holds: holds ?? null,
      readFrom,
      tables: [...tables],
      differences: differences ?? null,
      notCompared: notCompared ?? null,
      answer: answer === undefined ? null : { columns: answer.columns, rows: answer.rows, truncated: answer.truncated },
      warnings: [...remarks, ...(answer?.warnings ?? [])],
    };
  },
});

/** The source and the target. A point says which source it is of; the name of a source alone means its latest state. */
async function wantedOf(context: Context, asking: Request): Promise<PreviewRequest & { readonly source: Source }> {
  const { point, source: name, to, rows, unsigned } = asking;
  const common = { question: questionOf(asking), unsigned, ...(rows !== undefined && { limits: { rows } }) };
  if (point !== undefined && to !== undefined) throw new LifeboatError("USAGE", "a point and --to exclude each other");
  if (point === undefined) {
    const target = onTimeline(parseRecoveryTarget(to ?? "latest", presentOf(context)), asking.timeline);
    return { ...common, to: target, source: name === undefined ? onlySource(context) : sourceNamed(context, name) };
  }
  const found = await findAnyPoint(context, point, name, { unsigned });
  return { ...common, to: { kind: "point", name: found.entry.point.id }, source: sourceNamed(context, found.entry.source) };
}

function onlySource({ sources }: Context): Source {
  const [first, ...others] = sources.values();
  if (first !== undefined && others.length === 0) return first;
  throw new LifeboatError("USAGE", `the source is missing: there are ${[...sources.keys()].join(", ")}`);
}

function questionOf({ query, collection, aggregate }: Request): Question | undefined {
  if (query !== undefined && aggregate !== undefined) throw new LifeboatError("USAGE", "--query and --aggregate exclude each other");
  if (query !== undefined) return { sql: query };
  if (aggregate === undefined) return undefined;
  if (collection === undefined) throw new LifeboatError("USAGE", "--aggregate needs --collection");
  return { collection, pipeline: aggregate };
}
