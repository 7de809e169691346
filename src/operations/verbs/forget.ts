// lifeboat forget, erasures, erasures revoke: the erasure ledger.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import { shellWord } from "../../core/shell.ts";
import { counted, wordsOf } from "../../core/words.ts";
import { type Erasure, readErasures } from "../../repository/erasures.ts";
import { plansShowing, sweepSealed } from "../approval/sealed.ts";
import { operation } from "../operation.ts";
import { pointsOf } from "../points/points.ts";
import { forgetRows, planForget, revoke } from "../recovery/forget.ts";
import { exitOfPlan, plan } from "../recovery/schemas.ts";
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
    follows: about(
      orNull(
        z.strictObject({
          id: about(z.string(), "Of the entry that was recorded first."),
          table: about(z.string(), "What is referred to, with its schema."),
          columns: about(z.readonly(z.array(z.string())), "Of that table, in the order of the entry's own."),
        }),
      ),
      "The entry that it was recorded with, and what its columns refer to: rows that refer to erased ones are erased too.",
    ),
    revoked: about(orNull(z.strictObject({ at: instant, by: madeBy, reason: z.string() })), "Since then it erases nothing."),
  }),
);

const erasureJson = (
  source: string,
  { id, at, by, reason, table, columns, keys, follows, revoked }: Erasure,
): z.infer<typeof erasureShape> => ({
  id,
  source,
  at,
  by,
  reason,
  table,
  columns,
  keys,
  follows: follows === undefined ? null : { id: follows.id, table: follows.table, columns: follows.columns },
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
    follow: z.optional(
      about(z.boolean(), "Rows that refer to these over foreign keys, directly or over further tables, are recorded too. Default: false."),
    ),
    reason: about(why, "Why they were erased, such as the number of the request. It is stored in clear."),
  }),
  result: z.strictObject({
    job: jobId,
    entry: erasureShape,
    liveRows: about(count, "Rows of the live database that match now. They are left alone."),
    followers: about(
      z.array(z.strictObject({ entry: erasureShape, liveRows: about(count, "Live rows that refer to them now.") })),
      "Entries of rows that refer to them, recorded too. Empty without `follow`.",
    ),
    notFollowed: about(
      z.array(
        z.strictObject({
          table: about(z.string(), "Its name, with its schema."),
          columns: about(z.readonly(z.array(z.string())), "Columns of the foreign key."),
          liveRows: about(count, "Live rows that refer to them now."),
        }),
      ),
      "Foreign keys by which rows refer to them that were not recorded, with the live rows that do so now.",
    ),
    next: z.array(nextAction),
  }),
  plan: {
    result: plan,
    run: (context, request) => planForget(context, sourceNamed(context, request.source), request, context),
    exit: exitOfPlan,
  },
  async run(context, request) {
    const source = sourceNamed(context, request.source);
    const { job, entry, live, recorded, left: others } = await forgetRows(context, source, request, context);
    await sweepSealed(context, context);
    const named = [entry.table, ...recorded.map((one) => one.entry.table)];
    const plans = await plansShowing(context, source.name, named, context);
    const { row } = wordsOf(source.engine.name);
    const still = recorded.reduce((sum, one) => sum + one.live, live);
    const left = `${counted(still, row)} of the live database ${still === 1 ? "matches" : "match"}: delete ${still === 1 ? "it" : "them"} in the application`;
    const tables = [...new Set(others.map(({ table }) => table))].join(", ");
    const command = ["lifeboat", "forget", source.name, "--table", entry.table, ...entry.columns.flatMap((one) => ["--column", one])];
    const follow = [...command, "--keys-of", entry.id, "--follow", "--reason", request.reason].map(shellWord).join(" ");
    return {
      job,
      entry: erasureJson(source.name, entry),
      liveRows: live,
      followers: recorded.map((one) => ({ entry: erasureJson(source.name, one.entry), liveRows: one.live })),
      notFollowed: others.map(({ table, columns, live: liveRows }) => ({ table, columns, liveRows })),
      next: [
        ...(still > 0 ? [{ text: left, commands: [] }] : []),
        ...(others.length > 0
          ? [{ text: `rows of ${tables} may refer to ${row}s in a restore point: record them too`, commands: [follow] }]
          : []),
        ...plans.map(({ id, operation: of, expiresAt }) => ({
          text: `approval ${id} shows rows of a ${of} until ${expiresAt}: end it before`,
          commands: [`lifeboat approvals revoke ${id}`],
        })),
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
  result: z.extend(erasureShape, {
    revokedToo: about(count, "Entries that followed it, and were taken back with it."),
  }),
  async run(context, request) {
    const { source, entry, followers: revokedToo } = await revoke(context, request, context);
    return { ...erasureJson(source, entry), revokedToo };
  },
});
