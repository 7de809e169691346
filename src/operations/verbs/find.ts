// lifeboat find: the last instant at which a check held.
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { parseRecoveryTarget } from "../../core/recovery-target.ts";
import type { Probe } from "../../ports/probe.ts";
import { type Context, presentOf, type Source } from "../context.ts";
import { operation } from "../operation.ts";
import { type FindRequest, find as findMoment, planFind } from "../recovery/find.ts";
import { exitOfPlan, plan, understood } from "../recovery/schemas.ts";
import { about, count, instant, jobId, orNull, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const request = z.strictObject({
  source: sourceName,
  check: z.optional(about(z.string(), "A SQL query that gives true or false, or the name or table of a check of the configuration.")),
  collection: z.optional(about(z.string(), "The collection of an aggregation.")),
  aggregate: z.optional(about(z.string(), "A pipeline whose first document has `ok`: true or false, as extended JSON.")),
  good: about(z.string(), "A time at which the check held."),
  bad: z.optional(about(z.string(), "A later time at which it did not hold. Default: now.")),
  timeoutSeconds: z.optional(about(z.number().check(z.minimum(1)), "For each run of the check. Default: 30.")),
});
type Request = z.infer<typeof request>;

const isTrue = about(z.boolean(), "The value of the check.");

/** A change of the data, as the log of the source has it. */
const change = z.strictObject({
  at: about(instant, "When it was committed."),
  position: about(z.string(), "Its position in the log."),
  id: about(orNull(z.string()), "Transaction, or operation and collection."),
});

export const find = operation({
  name: "find",
  access: "restore",
  request,
  result: z.strictObject({
    job: jobId,
    source: sourceName,
    by: about(z.string(), "What was looked at."),
    lastTrue: about(understood, "The last instant at which the check held."),
    firstFalse: about(understood, "The first instant at which it did not hold."),
    exact: about(z.boolean(), "The two are at most a second apart, and the check broke only once."),
    changesBetween: about(
      orNull(z.array(change)),
      "What happened between the two, the first ones. Null: the log of the source is not known.",
    ),
    changeCount: about(orNull(count), "How many they are."),
    flips: about(
      z.array(z.strictObject({ afterAt: instant, untilAt: instant, isTrue })),
      "Every change of the check that was seen, with its new value. More than one: it flaps, and `lastTrue` is of the last.",
    ),
    looks: about(
      z.array(z.strictObject({ at: instant, isTrue, message: about(z.string(), "What the check said.") })),
      "Each instant at which it was run, oldest first.",
    ),
    restore: about(z.string(), "The command that restores the data of `lastTrue` beside production."),
  }),
  oneJob: () => true,

  plan: {
    result: plan,
    run(context, asking) {
      const source = sourceNamed(context, asking.source);
      return planFind(context, source, wantedOf(context, source, asking), context);
    },
    exit: exitOfPlan,
  },

  async run(context, asking) {
    const source = sourceNamed(context, asking.source);
    const found = await findMoment(context, source, wantedOf(context, source, asking), context);
    const { job, by, lastTrue, target, firstFalse, exact, changes, changeCount, flips, looks } = found;
    return {
      ...{ job, source: source.name, by, lastTrue, firstFalse, exact },
      changesBetween: changes?.map(({ at, lsn, id }) => ({ at, position: lsn, id: id ?? null })) ?? null,
      changeCount: changeCount ?? null,
      flips: flips.map(({ after, until, holds }) => ({ afterAt: after, untilAt: until, isTrue: holds })),
      looks: looks.map(({ holds, ...look }) => ({ ...look, isTrue: holds })),
      restore: `lifeboat restore ${source.name} --to ${target} --into ${placeName(source)}`,
    };
  },
  exit: ({ exact }) => (exact ? EXIT.done : EXIT.inconclusive),
});

function wantedOf(context: Context, source: Source, asking: Request): FindRequest {
  const { good, bad = "latest", timeoutSeconds } = asking;
  const present = presentOf(context);
  return {
    check: checkOf(source, asking),
    good: parseRecoveryTarget(good, present),
    bad: parseRecoveryTarget(bad, present),
    timeoutMs: timeoutSeconds === undefined ? undefined : timeoutSeconds * 1000,
  };
}

/** A database's name, or that of a place at the provider, where underscores may not be allowed. */
const placeName = ({ name, managed, provider }: Source): string =>
  managed === true && provider.history !== undefined ? `${name}-before` : `${name}_before`;

/** A check of the configuration by its name, else what was written out. */
function checkOf({ probes }: Source, { check, collection, aggregate }: Request): Probe {
  if (aggregate !== undefined) {
    if (collection === undefined) throw new LifeboatError("USAGE", "--aggregate needs --collection");
    if (check !== undefined) throw new LifeboatError("USAGE", "--check and --aggregate exclude each other");
    return { collection, aggregate };
  }
  if (check === undefined) throw new LifeboatError("USAGE", "the check is missing: give --check, or --collection and --aggregate");
  return probes.find((probe) => nameOf(probe) === check) ?? { sql: check };
}

const nameOf = (probe: Probe): string => ("table" in probe ? probe.table : (probe.name ?? ("sql" in probe ? probe.sql : probe.collection)));
