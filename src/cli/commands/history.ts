// lifeboat history SOURCE --table TABLE --key KEY
import type * as z from "zod/mini";
import { listOf } from "../../core/option.ts";
import { flag, integer, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { inWords } from "../../core/recovery-target.ts";
import { visible } from "../../core/visible.ts";
import { counted } from "../../core/words.ts";
import { history } from "../../operations/verbs/history.ts";
import { defineCommand } from "../command.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";

export const historyCommand = defineCommand({
  description:
    "Shows one row (or document) at every point it can be asked of, oldest first: in each backup, which is read without a restore; after each transaction or oplog entry that wrote it, where the log is archived; at snapshots and in the history of a provider; and as it is now. Equal states that follow each other are one. Prints the command that brings back the newest state that differs from the last one. What cannot be asked is shown as not known, with the reason. Production is only read. Values go to standard output and are not recorded. Exit status 3: something is not known or was not looked at, or the row is nowhere. Exit status 30: a backup is damaged.",
  arguments: { source: { type: text, required: true, help: "Source of the configuration." } },
  options: {
    table: { type: text, value: "TABLE", required: true, help: "The table (or collection), with its schema where there are several." },
    key: {
      type: listOf(text),
      whole: true,
      value: "VALUE|COLUMN=VALUE",
      required: true,
      help: 'The primary key: a value, or once per column `COLUMN=VALUE`. Of a document the `_id`, as extended JSON: 4711, {"$oid":"…"}, {"$uuid":"…"}, {"a":1,"b":2}; what is not JSON is text, but 24 hexadecimal digits are an ObjectId.',
    },
    from: { type: text, value: "TIME", help: "Where the history begins. Default: at the oldest restore point." },
    to: { type: text, value: "TIME", help: "Where it ends. Default: now." },
    columns: { type: listOf(text), value: "A,B", help: "Show and compare only these columns." },
    limit: {
      type: integer(1),
      value: "N",
      help: "Most looks for which a server is moved or made. Default: 1000 in a WAL; 40 in a provider's history, none where each is paid for.",
    },
    plan: { type: flag, help: "Say what would be asked, and do nothing." },
  },
  json: true,
  examples: [
    "lifeboat history shop --table orders --key 4711",
    "lifeboat history shop --table order_items --key order_id=4711 --key line=2 --from 'yesterday 18:00' --columns status,total",
    `lifeboat history sessions --table carts --key '{"$oid":"65f0c0ffee65f0c0ffee65f0"}' --plan`,
  ],
  run(call) {
    const { plan, ...options } = call.options;
    const request = { ...options, source: call.args.source };
    if (plan) return performPlan(call, history, request, renderPlan);
    return perform(call, history, request, (result) => human(result, call.paint));
  },
});

type Result = z.infer<typeof history.result>;
type State = Result["states"][number];

function human(result: Result, paint: Paint): string {
  const { source, table, keyValues, asked, states, notExamined, warnings, restore } = result;
  const facts = renderFacts(
    [
      ["source", source],
      ["table", table],
      [
        "key",
        Object.entries(keyValues)
          .map(([name, value]) => `${visible(name)} = ${shownValue(value)}`)
          .join(", "),
      ],
      ["asked", asked.join("\n")],
      ["remarks", warnings.map(visible).join("\n")],
      ["not looked at", notExamined.join("\n")],
    ],
    paint,
  );
  const next = restore === null ? "next: nothing to bring back: the row has no other known state" : `next: ${visible(restore)}`;
  return [facts, ...states.map((state) => block(state, paint)), next].join("\n\n");
}

function block(state: State, paint: Paint): string {
  const { from, until, seenCount, seenIn, row, changedColumns, notKnown } = state;
  const isOne = from.at === until.at;
  const title = `${paint.bold(inWords(from))}  ${headline(state, paint)}`;
  const span = isOne && seenCount === 1 ? `  in ${seenIn}` : `  unchanged in ${counted(seenCount, "point")}, to ${inWords(until)}`;
  const lines = [title, paint.dim(visible(span))];
  if (notKnown !== null) return [...lines, `  ${notKnown.code}: ${visible(notKnown.message)}`].join("\n");
  if (row === null) return lines.join("\n");
  const widest = Math.max(0, ...Object.keys(row).map((name) => visible(name).length));
  for (const [name, value] of Object.entries(row)) {
    const line = `${visible(name).padEnd(widest)}  ${shownValue(value)}`;
    lines.push(changedColumns.includes(name) ? paint.yellow(`* ${line}`) : `  ${line}`);
  }
  for (const name of changedColumns) if (!Object.hasOwn(row, name)) lines.push(paint.yellow(`* ${visible(name).padEnd(widest)}  (gone)`));
  return lines.join("\n");
}

const DONE = { insert: "inserted", update: "updated", delete: "deleted" } as const;

function headline({ writtenBy, row, missing, notKnown, changedColumns }: State, paint: Paint): string {
  if (notKnown !== null) return paint.red("not known");
  const absent = missing === "row" || missing === null ? "not there" : `not there: there was no such ${missing}`;
  if (writtenBy === null) return row === null ? absent : "there";
  const origin = writtenBy.origin === null ? "" : `, from ${visible(writtenBy.origin)}`;
  const same = writtenBy.kind === "update" && changedColumns.length === 0 ? " with the same values" : "";
  const also = row === null && missing !== "row" && missing !== null ? `; ${absent}` : "";
  return `${DONE[writtenBy.kind]}${same} by ${visible(writtenBy.id)} at ${writtenBy.position}${origin}${also}`;
}

const LONGEST = 300;

function shownValue(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const safe = visible(text);
  return safe.length <= LONGEST ? safe : `${safe.slice(0, LONGEST)}… (${text.length} characters)`;
}
