// lifeboat forget SOURCE, erasures, erasures revoke
import { readFileSync } from "node:fs";
import { formatInstant } from "../../core/duration.ts";
import { LifeboatError } from "../../core/errors.ts";
import { listOf } from "../../core/option.ts";
import { flag, text } from "../../core/option-types.ts";
import { renderPlan } from "../../core/plan.ts";
import { counted } from "../../core/words.ts";
import { erasures, erasuresRevoke, forget } from "../../operations/verbs/forget.ts";
import { defineCommand } from "../command.ts";
import { renderNext } from "../render/restore.ts";
import { renderTable } from "../render/table.ts";
import { perform, performPlan } from "../session.ts";

export const forgetCommand = defineCommand({
  description:
    "Records rows that were erased on request in the erasure ledger of a source. Every later restore, drill, recovery and merge erases them again before the data is used, and its evidence says how many. Keys are stored as salted hashes, sealed. The live database is read and never changed: the command says whether rows still match there. With --follow, rows of other tables that refer to them over foreign keys are recorded too; --plan shows them first. See docs/forget.md.",
  arguments: { source: { type: text, required: true, help: "Source of the configuration." } },
  options: {
    table: { type: text, required: true, value: "NAME", help: "The table or collection." },
    column: {
      type: listOf(text),
      value: "NAME",
      help: "Column or field that the keys are values of; several for a composite key. Default: the primary key.",
    },
    key: {
      type: listOf(text),
      whole: true,
      value: "KEY",
      help: `A key; a composite one as a JSON array: '["eu", 42]'. MongoDB: a word, or extended JSON.`,
    },
    keysFrom: { type: text, value: "FILE", help: "A file with one key on each line." },
    where: { type: text, value: "CONDITION", help: "Record the keys of the live rows for which this condition holds." },
    keysOf: {
      type: listOf(text),
      value: "ID",
      help: "Record the keys of these entries for another table or column: no key is typed again.",
    },
    follow: {
      type: flag,
      help: "Record the rows too that refer to these over foreign keys, directly or over further tables. --plan names them.",
    },
    plan: { type: flag, help: "Say what would be recorded and which rows refer to it, and do nothing." },
    reason: { type: text, required: true, value: "TEXT", help: "Why, such as the number of the request. It is stored in clear." },
  },
  json: true,
  examples: [
    "lifeboat forget shop --table users --key 42 --reason DSAR-17",
    "lifeboat forget shop --table users --key 42 --reason DSAR-17 --follow --plan",
    "lifeboat forget shop --table orders --column user_id --key 42 --reason DSAR-17",
    `lifeboat forget shop --table users --where "email = 'ada@example.com'" --reason DSAR-17`,
  ],
  run(call) {
    const { column, key, keysFrom, plan, ...options } = call.options;
    const listed = keysFrom === undefined ? undefined : keysIn(keysFrom);
    const keys = key === undefined && listed === undefined ? undefined : [...(key ?? []), ...(listed ?? [])];
    const request = { ...call.args, ...options, columns: column, keys };
    if (plan) return performPlan(call, forget, request, renderPlan);
    return perform(call, forget, request, ({ entry, liveRows, followers, next }) =>
      [
        `${entry.source}: ${counted(entry.keys, "key")} of ${entry.table} (${entry.columns.join(", ")}) recorded as erasure ${entry.id}`,
        ...followers.map(
          (one) =>
            `  also rows of ${one.entry.table} (${one.entry.columns.join(", ")}) that refer to ${one.entry.follows?.table}: ${counted(one.liveRows, "live row")}, erasure ${one.entry.id}`,
        ),
        liveRows === 0 ? "no live row matches" : `${counted(liveRows, "live row")} still ${liveRows === 1 ? "matches" : "match"}`,
        ...renderNext(next, call.paint),
      ].join("\n"),
    );
  },
});

function keysIn(file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split(/\r?\n/)
      .filter((line) => line !== "");
  } catch (cause) {
    throw new LifeboatError("USAGE", `${file} cannot be read`, { cause, hint: "give --keys-from a file with one key on each line" });
  }
}

export const erasuresCommand = defineCommand({
  description:
    "Lists the entries of the erasure ledger: why, by whom, how many keys of which table, and how many restore points are older than the entry. Lifeboat never removes an entry. Exit status 30: entries are missing, unsigned or older than they were.",
  arguments: { source: { type: text, help: "Only those of this source." } },
  options: {},
  json: true,
  examples: ["lifeboat erasures", "lifeboat erasures shop"],
  run: (call) =>
    perform(call, erasures, { ...call.args }, ({ ledger: all, reasons }) =>
      [
        all.length === 0
          ? "the erasure ledger has no entry"
          : renderTable(
              ["id", "source", "recorded", "rows of", "keys", "reason", "older points"].map((title) => ({ title })),
              all.map(({ erasure, olderPoints }) => [
                erasure.id,
                erasure.source,
                formatInstant(new Date(erasure.at)),
                `${erasure.table} (${erasure.columns.join(", ")})${erasure.follows === null ? "" : `, which refer to ${erasure.follows.table}`}`,
                String(erasure.keys),
                erasure.revoked === null ? erasure.reason : `${erasure.reason}; revoked: ${erasure.revoked.reason}`,
                String(olderPoints),
              ]),
              { paint: call.paint },
            ),
        ...reasons.map(({ message }) => `  ${message}`),
      ].join("\n"),
    ),
});

export const erasuresRevokeCommand = defineCommand({
  description:
    "Takes back an entry of the erasure ledger, with the entries that follow it: they erase nothing from now on. They stay in the ledger, and the audit log keeps the reason.",
  arguments: { erasure: { type: text, required: true, help: "Id of the entry, or its beginning." } },
  options: { reason: { type: text, required: true, value: "TEXT", help: "Why." } },
  json: true,
  examples: ["lifeboat erasures revoke 01kahd3m0q7zv2 --reason 'wrong person'"],
  run: (call) =>
    perform(call, erasuresRevoke, { ...call.args, ...call.options }, ({ id, source, revokedToo }) =>
      revokedToo === 0
        ? `erasure ${id} of ${source} is revoked`
        : `erasure ${id} of ${source} and ${revokedToo} that followed it are revoked`,
    ),
});
