// lifeboat audit [SOURCE], lifeboat audit verify
import type * as z from "zod/mini";
import { formatInstant } from "../../core/duration.ts";
import { integer, oneOf, text } from "../../core/option-types.ts";
import { audit, auditVerify } from "../../operations/verbs/audit.ts";
import { AUDIT_EVENTS } from "../../repository/audit-entry.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderTable } from "../render/table.ts";
import { perform } from "../session.ts";

export const auditCommand = defineCommand({
  description:
    "Lists who did what, when, from where, with which plan, and how it ended: every job and every approval. Each entry is proven to be in the log before it is shown. docs/audit.md describes the log.",
  arguments: { source: { type: text, help: "Only entries of this source." } },
  options: {
    actor: { type: text, value: "NAME", help: "Only what this one did: a part of the name." },
    since: { type: text, value: "TIME", help: "Only entries from this instant on, such as 2026-11-29T12:00:00Z." },
    until: { type: text, value: "TIME", help: "Only entries before this instant." },
    event: { type: oneOf(AUDIT_EVENTS), value: "EVENT", help: "Only entries of this kind." },
    before: { type: integer(0), value: "PLACE", help: "Only entries before this place: the next page." },
    limit: { type: integer(1), value: "N", help: "So many. Default: 50." },
  },
  json: true,
  examples: ["lifeboat audit", "lifeboat audit shop --event break-glass", "lifeboat audit --actor ada --limit 200"],
  run: (call) => perform(call, audit, { ...call.args, ...call.options }, (result) => listed(result, call.paint)),
});

function listed({ entries, more, waiting }: z.infer<typeof audit.result>, paint: Paint): string {
  const rows = entries.map((one) => [
    `${one.index}`,
    formatInstant(new Date(one.at)),
    one.event === "break-glass" || one.reason !== null ? paint.red(one.event) : one.event,
    one.source === null ? one.operation : `${one.operation} ${one.source}`,
    one.actor.from === null ? `${one.actor.name}, ${one.actor.via}` : `${one.actor.name}, ${one.actor.via}, ${one.actor.from}`,
    one.outcome ?? "",
    [
      one.job ?? one.approval ?? "",
      one.approvers.length === 0 ? "" : `approved by ${one.approvers.join(", ")}`,
      one.reason === null ? "" : `"${one.reason}"`,
    ]
      .filter(Boolean)
      .join(" "),
  ]);
  const titles = ["place", "at", "event", "operation", "by", "outcome", "job"].map((title) => ({ title }));
  const lines = rows.length === 0 ? ["no entry"] : [renderTable(titles, rows, { paint })];
  if (more !== null) lines.push(`next: lifeboat audit --before ${more}`);
  if (waiting > 0) lines.push(`${waiting} entries wait on this machine; next: lifeboat audit verify`);
  return lines.join("\n");
}

export const auditVerifyCommand = defineCommand({
  description:
    "Recomputes the whole log from its entries and compares it with its signed checkpoint, with what this machine has seen of it, and with its witnesses. Names the first entry that was removed, changed or moved. Then copies the checkpoint to the witnesses.",
  arguments: {},
  options: {},
  json: true,
  examples: ["lifeboat audit verify", "lifeboat audit verify --json"],
  run: (call) =>
    perform(call, auditVerify, {}, ({ size, root, flaws, witnesses, waiting }) => {
      const { paint } = call;
      const whole =
        size === 0 && root === null ? "the audit log has no entry yet" : `the audit log is whole: ${size} entries, root ${root}`;
      return [
        ...(flaws.length === 0 ? [`${paint.green("✓")} ${whole}`] : flaws.map(({ message }) => `${paint.red("✗")} ${message}`)),
        ...witnesses.map(({ name, where, size: kept, error }) =>
          error === null
            ? `  witness ${name} (${where}) had ${kept === null ? "no checkpoint" : `a checkpoint of ${kept} entries`}`
            : `  ${paint.yellow("!")} witness ${name} (${where}): ${error}`,
        ),
        ...(waiting > 0 ? [`  ${paint.yellow("!")} ${waiting} entries wait on this machine: the log cannot be written`] : []),
      ].join("\n");
    }),
});
