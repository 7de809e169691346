// lifeboat forget, erasures, erasures revoke: the erasure ledger.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import { counted, wordsOf } from "../../core/words.ts";
import { type Erasure, readErasures } from "../../repository/erasures.ts";
import { operation } from "../operation.ts";
import { pointsOf } from "../points/points.ts";
import { forgetRows, revoke } from "../recovery/forget.ts";
import { about, count, healthReason, healthReasonJson, instant, jobId, madeBy, named, nextAction, orNull, sourceName } from "../schemas.ts";
import { sourceNamed, sourcesNamed } from "../sources.ts";

const erasureId = about(z.string(), "Id of the entry, or its beginning.");
const why = z.string().check(z.minLength(1), z.maxLength(2000));
const texts = z.array(z.string().check(z.minLength(1)));

const erasureShape = named(
  "erasure",
  "An entry of the erasure ledger. It holds no key in clear.",
  z.strictObject({
    id: z.string(),
    source: sourceName,
    at: instant,
    by: madeBy,
    reason: z.string(),
    table: about(z.string(), "Its name, with its schema."),
    columns: about(z.readonly(z.array(z.string())), "Columns or fields that the keys are values of."),
    keys: about(count, "How many keys it has."),
    revoked: about(orNull(z.strictObject({ at: instant, by: madeBy, reason: z.string() })), "Since then it erases nothing."),
  }),
);

const erasureJson = (source: string, { id, at, by, reason, table, columns, keys, revoked }: Erasure): z.infer<typeof erasureShape> => ({
  id,
  source,
  at,
  by,
  reason,
  table,
  columns,
  keys,
  revoked: revoked === undefined ? null : { at: revoked.at, by: revoked.by, reason: revoked.reason },
});

export const forget = operation({
  name: "forget",
  access: "restore",
  oneJob: () => true,
  request: z.strictObject({
    source: sourceName,
    table: about(z.string().check(z.minLength(1)), "The table or collection."),
    columns: z.optional(about(texts, "Columns or fields that the keys are values of. Default: the primary key.")),
    keys: z.optional(
      about(
        z.array(z.union([z.string(), z.array(z.string())])),
        "Keys; of several columns, a list of values. They are stored as salted hashes alone.",
      ),
    ),
    where: z.optional(about(z.string(), "Instead of keys: a condition; the keys of the live rows for which it holds are recorded.")),
    keysOf: z.optional(about(texts, "Instead of keys: ids of entries whose keys are values of these columns too.")),
    reason: about(why, "Why they were erased, such as the number of the request. It is stored in clear."),
  }),
  result: z.strictObject({
    job: jobId,
    entry: erasureShape,
    liveRows: about(count, "Rows of the live database that match now. They are left alone."),
    next: z.array(nextAction),
  }),
  async run(context, request) {
    const source = sourceNamed(context, request.source);
    const { entry, live } = await forgetRows(context, source, request, context);
    const { row } = wordsOf(source.engine.name);
    const left = `${counted(live, row)} of the live database ${live === 1 ? "matches" : "match"}: delete ${live === 1 ? "it" : "them"} in the application`;
    return {
      job: entry.id,
      entry: erasureJson(source.name, entry),
      liveRows: live,
      next: [
        ...(live > 0 ? [{ text: left, commands: [] }] : []),
        { text: "to see it applied", commands: [`lifeboat drill ${source.name}`] },
      ],
    };
  },
});

export const erasures = operation({
  name: "erasures",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({ source: z.optional(sourceName) }),
  result: z.strictObject({
    ledger: about(
      z.array(
        z.strictObject({
          erasure: erasureShape,
          olderPoints: about(
            count,
            "Restore points in the repository that are older than the entry, and may hold the rows. 0: the entry is no longer required for these.",
          ),
        }),
      ),
      "By source, oldest first.",
    ),
    reasons: about(z.array(healthReason), "Why entries may be missing."),
  }),
  async run(context, { source }) {
    const found = await Promise.all(
      sourcesNamed(context, source).map(async ({ name }) => {
        const { entries, flaws } = await readErasures(context.repository, name, context.signal);
        const points = entries.length === 0 ? [] : await pointsOf(context, name);
        return {
          reasons: flaws.map((flaw) => healthReasonJson(flaw, name)),
          listed: entries.map((entry) => ({
            erasure: erasureJson(name, entry),
            olderPoints: points.filter(({ point }) => point.time < new Date(entry.at)).length,
          })),
        };
      }),
    );
    return { ledger: found.flatMap(({ listed }) => listed), reasons: found.flatMap(({ reasons }) => reasons) };
  },
  exit: ({ reasons }) => (reasons.length > 0 ? EXIT.integrity : EXIT.done),
});

export const erasuresRevoke = operation({
  name: "erasures revoke",
  access: "approve",
  storedOnly: () => true,
  oneJob: () => true,
  request: z.strictObject({ erasure: erasureId, reason: about(why, "Why it is taken back. The audit log keeps it.") }),
  result: erasureShape,
  async run(context, request) {
    const { source, entry } = await revoke(context, request, context);
    return erasureJson(source, entry);
  },
});
