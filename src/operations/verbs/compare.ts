// lifeboat compare: what differs between a recovery target and now, or between two.
import * as z from "zod/mini";
import { EXIT, LifeboatError } from "../../core/errors.ts";
import { askedOf, parseRecoveryTarget } from "../../core/recovery-target.ts";
import { presentOf } from "../context.ts";
import { operation } from "../operation.ts";
import { compare as compareStates } from "../recovery/compare.ts";
import { asked, routeFields } from "../recovery/schemas.ts";
import { about, count, orNull, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

const change = about(z.enum(["only then", "only now", "changed"]), "From the earlier state to the later one.");
const sequenceValue = about(orNull(z.string()), "Null: there is no such sequence.");
const side = z.strictObject({ to: asked, route: z.strictObject(routeFields) });

export const compare = operation({
  name: "compare",
  access: "restore",
  request: z.strictObject({
    source: sourceName,
    to: about(z.string(), "Recovery target of the earlier state."),
    with: z.optional(about(z.string(), "Recovery target of the later state. Default: the live database.")),
    tables: z.optional(about(z.array(z.string()), "Tables whose rows are compared by primary key: names or patterns.")),
    where: z.optional(about(z.string(), "Only rows for which this condition holds.")),
    limit: z.optional(about(z.number().check(z.int(), z.minimum(1)), "Differing rows to list, for each table. Default: 100.")),
    nearest: z.optional(about(z.boolean(), "Where a target cannot be reached exactly, the nearest backup before it is compared.")),
    unsigned: z.optional(about(z.boolean(), "A point that no trusted key has signed will do.")),
  }),
  result: z.strictObject({
    source: sourceName,
    equal: about(orNull(z.boolean()), "Null: nothing differs, and something could not be compared."),
    earlier: about(side, "The earlier state."),
    later: about(orNull(side), "The later state. Null: the live database."),
    definitions: about(
      z.readonly(z.array(z.strictObject({ object: about(z.string(), "Kind and name of the definition."), change }))),
      "Definitions that differ.",
    ),
    tables: z.readonly(
      z.array(
        z.strictObject({
          name: z.string(),
          earlierRows: about(orNull(count), "Null: there was no such table."),
          laterRows: about(orNull(count), "Null: there is no such table."),
          equal: about(orNull(z.boolean()), "Null: its content could not be compared."),
        }),
      ),
    ),
    sequencesThatDiffer: about(
      z.readonly(z.array(z.strictObject({ name: z.string(), earlierValue: sequenceValue, laterValue: sequenceValue }))),
      "Sequences that differ: value, and whether it was used.",
    ),
    tableRows: about(
      orNull(
        z.readonly(
          z.array(
            z.strictObject({
              table: about(z.string(), "Its name with its schema."),
              keyColumns: about(z.readonly(z.array(z.string())), "Columns by which rows are compared."),
              count: about(count, "Rows that differ."),
              firstRows: z.readonly(
                z.array(
                  z.strictObject({
                    keyValues: about(z.readonly(z.record(z.string(), z.string())), "Values of the key, by column."),
                    change,
                  }),
                ),
              ),
            }),
          ),
        ),
      ),
      "Rows of the chosen tables that differ. Null: rows were not compared.",
    ),
    unclear: about(z.readonly(z.array(z.string())), "What could not be compared, one sentence each."),
  }),

  async run(context, asking) {
    const source = sourceNamed(context, asking.source);
    const present = presentOf(context);
    if (asking.tables === undefined && (asking.where !== undefined || asking.limit !== undefined))
      throw new LifeboatError("USAGE", "--where and --limit have no meaning without --tables");
    const found = await compareStates(
      context,
      source,
      {
        ...asking,
        to: parseRecoveryTarget(asking.to, present),
        with: asking.with === undefined ? undefined : parseRecoveryTarget(asking.with, present),
      },
      context,
    );
    const { past, now, definitions, tables, sequences, rows, refusals } = found;
    const notCompared = [...found.notCompared, ...refusals.map(({ message }) => message)];
    const differs =
      definitions.length > 0 ||
      sequences.length > 0 ||
      tables.some(({ equal }) => equal === false) ||
      rows?.some((table) => table.count > 0) === true;
    const isUnclear = notCompared.length > 0 || tables.some(({ equal }) => equal === null);
    return {
      source: source.name,
      equal: differs ? false : isUnclear ? null : true,
      earlier: { to: askedOf(past.asked, present), route: past.told },
      later: now === undefined ? null : { to: askedOf(now.asked, present), route: now.told },
      definitions,
      tables: tables.map(({ name, past: earlierRows, now: laterRows, equal }) => ({ name, earlierRows, laterRows, equal })),
      sequencesThatDiffer: sequences.map(({ name, past: earlierValue, now: laterValue }) => ({ name, earlierValue, laterValue })),
      tableRows:
        rows?.map(({ table, key: keyColumns, count: number, rows: first }) => ({
          table,
          keyColumns,
          count: number,
          firstRows: first.map(({ key, change: kind }) => ({
            keyValues: Object.fromEntries(keyColumns.map((column, index) => [column, key[index] ?? ""])),
            change: kind,
          })),
        })) ?? null,
      unclear: notCompared,
    };
  },
  /** As `diff`: 1 when something differs. */
  exit: ({ equal }) => (equal === true ? EXIT.done : equal === false ? EXIT.failed : EXIT.inconclusive),
});
