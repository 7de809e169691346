// lifeboat audit, lifeboat audit verify: who did what, and whether the log of it is whole.
import * as z from "zod/mini";
import { EXIT } from "../../core/errors.ts";
import { AUDIT_EVENTS, type ReadEntry } from "../../repository/audit-entry.ts";
import { entriesBackwards } from "../../repository/audit-log.ts";
import { verifyAudit } from "../audit/verify.ts";
import { witnessAudit } from "../audit/witness.ts";
import { operation } from "../operation.ts";
import { about, count, instant, jobId, orNull, sourceName } from "../schemas.ts";

const DEFAULT_LIMIT = 50;

const actor = z.strictObject({
  kind: about(z.enum(["user", "person", "token", "service"]), "Of this machine, signed in, an API token, or the service itself."),
  name: z.string(),
  via: about(z.enum(["command line", "library", "api", "mcp", "schedule"]), "The adapter that was asked."),
  from: about(orNull(z.string()), "Network address of the caller. Null: on the machine itself."),
});

const entry = z.strictObject({
  index: about(count, "Its place in the log, from 0."),
  at: about(instant, "By the clock of the machine that wrote it."),
  event: about(
    z.enum(AUDIT_EVENTS),
    "`begin` and `end` of a job; `closed`: after its process had died; `token`: of the API; the others are of an approval.",
  ),
  operation: about(z.string(), "What was done."),
  source: orNull(sourceName),
  job: orNull(jobId),
  actor,
  process: about(z.string(), "User and host of the process."),
  digest: about(orNull(z.string()), "Of the plan that was carried out or approved."),
  approval: about(orNull(z.string()), "Id of the approval."),
  approvers: about(z.array(z.string()), "Who signed it."),
  reason: orNull(z.string()),
  outcome: about(orNull(z.string()), "`done`, or the code of the error, as in docs/errors.md."),
});

export const audit = operation({
  name: "audit",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({
    source: z.optional(sourceName),
    actor: z.optional(about(z.string(), "Only what this one did: a part of the name.")),
    since: z.optional(about(instant, "Only entries from then on.")),
    until: z.optional(about(instant, "Only entries before then.")),
    event: z.optional(about(z.enum(AUDIT_EVENTS), "Only entries of this kind.")),
    before: z.optional(about(count, "Only entries before this place: the next page.")),
    limit: z.optional(about(z.number().check(z.int(), z.minimum(1), z.maximum(10_000)), `Default: ${DEFAULT_LIMIT}.`)),
  }),
  result: z.strictObject({
    entries: about(z.array(entry), "Newest first."),
    more: about(orNull(count), "The value of `before` for the next page. Null: there is none."),
    waiting: about(count, "Entries that wait on this machine, because the log could not be written."),
  }),

  async run(context, asked) {
    const { source, actor: who, since, until, event, before, limit = DEFAULT_LIMIT } = asked;
    const entries: z.infer<typeof entry>[] = [];
    let more: number | null = null;
    for await (const read of entriesBackwards(context.repository, context.signal, before)) {
      const one = entryJson(read);
      if (since !== undefined && Date.parse(one.at) < Date.parse(since)) continue;
      if (until !== undefined && Date.parse(one.at) >= Date.parse(until)) continue;
      if (source !== undefined && one.source !== source) continue;
      if (event !== undefined && one.event !== event) continue;
      if (who !== undefined && !one.actor.name.includes(who)) continue;
      if (entries.length === limit) {
        more = one.index + 1;
        break;
      }
      entries.push(one);
    }
    return { entries, more, waiting: (await context.audit?.waiting()) ?? 0 };
  },
});

function entryJson({ index, entry: one }: ReadEntry): z.infer<typeof entry> {
  return {
    index,
    at: new Date(one.at).toISOString(),
    event: one.event,
    operation: one.operation,
    source: one.source ?? null,
    job: one.job ?? null,
    actor: { kind: one.actor.kind, name: one.actor.name, via: one.actor.via, from: one.actor.from ?? null },
    process: one.process,
    digest: one.plan ?? null,
    approval: one.approval ?? null,
    approvers: [...(one.approvers ?? [])],
    reason: one.reason ?? null,
    outcome: one.outcome ?? null,
  };
}

export const auditVerify = operation({
  name: "audit verify",
  access: "look",
  storedOnly: () => true,
  request: z.strictObject({}),
  result: z.strictObject({
    size: about(count, "Entries in the log, by its checkpoint."),
    root: about(orNull(z.string()), "Merkle root in base64. Null: there is no checkpoint that counts."),
    flaws: about(
      z.array(z.strictObject({ index: about(orNull(count), "Of the first entry that differs. Null: not known."), message: z.string() })),
      "What was removed, changed or moved. Empty: the log is whole.",
    ),
    witnesses: z.array(
      z.strictObject({
        name: z.string(),
        where: about(z.string(), "Its storage or clone."),
        size: about(orNull(count), "Entries of the newest checkpoint that it keeps."),
        error: about(orNull(z.string()), "Why it could not be asked, or does not take checkpoints."),
      }),
    ),
    waiting: about(count, "Entries that wait on this machine."),
  }),

  async run(context) {
    const found = await verifyAudit(context, context.signal);
    const isWhole = found.flaws.length === 0;
    const late = isWhole ? await witnessAudit(context, context.signal) : [];
    return {
      size: found.size,
      root: found.root === undefined ? null : Buffer.from(found.root).toString("base64"),
      flaws: found.flaws.map(({ index, message }) => ({ index: index ?? null, message })),
      witnesses: found.witnesses.map(({ name, where, size, error }) => ({
        name,
        where,
        size: size ?? null,
        error: error ?? late.find(({ message }) => message.includes(`witness ${name} `))?.message ?? null,
      })),
      waiting: (await context.audit?.waiting()) ?? 0,
    };
  },

  exit({ flaws, witnesses }) {
    if (flaws.length > 0) return EXIT.integrity;
    return witnesses.some(({ error }) => error !== null) ? EXIT.inconclusive : EXIT.done;
  },
});
