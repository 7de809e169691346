// lifeboat expire: the retention policy applied.
import * as z from "zod/mini";
import { EXIT, isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { pointJson } from "../../core/restore-point.ts";
import { sweepSealed } from "../approval/sealed.ts";
import type { Context, Source, Watch } from "../context.ts";
import { exitOfFailures, operation } from "../operation.ts";
import { type ExpireRequest, type ExpireResult, expire as expireSource, planExpire } from "../retention/expire.ts";
import { isExpiryDue } from "../retention/expiry-due.ts";
import { about, bytes, count, failure, orNull, point, sourceName, storageClass } from "../schemas.ts";
import { eachSource, sourcesNamed } from "../sources.ts";

const decision = z.strictObject({ point, reasons: about(z.readonly(z.array(z.string())), "Rules that decided it.") });
const decisions = z.array(decision);

const log = z.strictObject({
  keptSegments: count,
  removedSegments: count,
  removedBytes: bytes,
  first: about(orNull(z.string()), "Name of the first segment that goes."),
  last: about(orNull(z.string()), "Name of the last one."),
  reasons: about(z.readonly(z.array(z.string())), "Rules that decided it."),
  refused: about(orNull(z.string()), "Why it did not go."),
});

export const expiredSource = z.strictObject({
  source: sourceName,
  applied: about(z.boolean(), "False: this is a plan."),
  keep: decisions,
  remove: decisions,
  withheld: about(decisions, "More than half of the points at once, or dated in the future: they go only with `most` or `future`."),
  transitions: z.array(z.strictObject({ point, from: orNull(storageClass), to: storageClass, reason: z.string() })),
  blocked: about(z.readonly(z.array(z.string())), "Why nothing is removed."),
  refused: z.array(z.strictObject({ id: z.string(), message: z.string() })),
  powerless: about(orNull(z.string()), "Why nothing can be removed with these credentials."),
  log: orNull(log),
  undoSets: about(
    z.strictObject({ keptSets: about(count, "How many stay."), removedSets: about(z.array(z.string()), "Jobs whose undo sets go.") }),
    "What brings back the states before merges.",
  ),
});

const result = z.strictObject({ sources: z.array(expiredSource), failures: z.readonly(z.array(failure)) });

const request = z.strictObject({
  source: z.optional(about(sourceName, "Default: all.")),
  due: z.optional(about(z.boolean(), "Only of sources whose policy says that it is due.")),
  most: z.optional(about(z.boolean(), "Allow that more than half of the restore points are removed at once.")),
  future: z.optional(about(z.boolean(), "Remove restore points that are dated in the future too.")),
});

export const expire = operation({
  name: "expire",
  access: "approve",
  oneJob: ({ source, due }) => source !== undefined && !due,
  request,
  result,
  plan: { result, run: (context, asked) => act(context, asked, planExpire), exit: ({ failures }) => exitOfFailures(failures) ?? EXIT.done },
  run: (context, asked) => act(context, asked, expireSource),

  exit({ sources, failures }) {
    const failed = exitOfFailures(failures);
    if (failed !== undefined) return failed;
    const undone = sources.filter(({ refused, log: ofLog }) => refused.length > 0 || (ofLog !== null && ofLog.refused !== null));
    if (undone.length === 0) return sources.some(({ applied, withheld }) => applied && withheld.length > 0) ? EXIT.inconclusive : EXIT.done;
    // What these credentials may not do has not failed: it is not done, and said so.
    return undone.every(({ powerless }) => powerless !== null) ? EXIT.inconclusive : EXIT.failed;
  },
});

type Act = (context: Context, source: Source, watch: Watch, request: ExpireRequest) => Promise<ExpireResult>;

async function act(context: Context & Watch, { source, due, most, future }: z.infer<typeof request>, apply: Act) {
  if (apply === expireSource) await sweepSealed(context, context);
  const { results, failures } = await eachSource(sourcesNamed(context, source), context, async (one) => {
    if (due && !(await isExpiryDue(context, one, context))) return [];
    // Another process may have done it before this one got the lease.
    const confirm = async (): Promise<void> => {
      if (!(await isExpiryDue(context, one, context))) throw new LifeboatError("NOT_DUE", `another process did the expiry of ${one.name}`);
    };
    try {
      return [await apply(context, one, context, { most, future, confirm: due ? confirm : undefined })];
    } catch (error) {
      if (isLifeboatError(error, "NOT_DUE")) return [];
      throw error;
    }
  });
  return { sources: results.flat().map(sourceJson), failures };
}

const decisionJson = ({ point: decided, reasons }: ExpireResult["keep"][number]) => ({ point: pointJson(decided), reasons });

const sourceJson = ({
  source,
  applied,
  keep,
  remove,
  withheld = [],
  transitions,
  blocked,
  refused,
  powerless,
  log: ofLog,
  undoSets,
}: ExpireResult) => ({
  source,
  applied,
  keep: keep.map(decisionJson),
  remove: remove.map(decisionJson),
  withheld: withheld.map(decisionJson),
  transitions: transitions.map(({ point: moved, from, to, reason }) => ({ point: pointJson(moved), from: from ?? null, to, reason })),
  blocked,
  refused: refused.map(({ point: { id }, message }) => ({ id, message })),
  powerless: powerless ?? null,
  log: ofLog === undefined ? null : logJson(ofLog),
  undoSets: { keptSets: undoSets.keep.length, removedSets: undoSets.remove.map(({ job }) => job) },
});

const logJson = ({ keep, remove, removeBytes, reasons, refused }: NonNullable<ExpireResult["log"]>) => ({
  keptSegments: keep.length,
  removedSegments: remove.length,
  removedBytes: removeBytes,
  first: remove[0]?.name ?? null,
  last: remove.at(-1)?.name ?? null,
  reasons,
  refused: refused ?? null,
});
