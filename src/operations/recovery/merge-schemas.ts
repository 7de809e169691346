// The shapes of merges: what one would change, and what one has changed.
import * as z from "zod/mini";
import { about, count, named, orNull } from "../schemas.ts";

const tableName = about(z.string(), "Its name, with its schema.");

const mergeSample = z.strictObject({
  rowChange: about(z.enum(["insert", "update", "delete"]), "What becomes of the row."),
  keyValues: about(z.readonly(z.record(z.string(), z.string())), "Values of the key, by column."),
  values: about(
    z.readonly(
      z.array(
        z.strictObject({
          name: z.string(),
          past: about(orNull(z.string()), "Then. Null: no value, or no such row."),
          now: about(orNull(z.string()), "In the live database. Null: no value, or no such row."),
        }),
      ),
    ),
    "Columns that differ; long values are shortened.",
  ),
});

const mergeTable = z.strictObject({
  table: tableName,
  keyColumns: about(z.readonly(z.array(z.string())), "Columns by which rows are compared."),
  insert: about(count, "Rows that are missing."),
  update: about(count, "Rows that are changed."),
  delete: about(count, "Rows that are deleted."),
  extra: about(count, "Rows that did not exist then, and are left alone."),
  changedSince: about(count, "Rows that were changed since, and are left alone."),
  followed: about(z.optional(z.readonly(z.array(z.string()))), "Foreign keys that bring the table along. Absent: it was chosen."),
  samples: about(z.readonly(z.array(mergeSample)), "Some of the rows."),
});

export const mergeFindings = named(
  "merge findings",
  "Which rows a merge changes.",
  z.strictObject({
    tables: about(z.readonly(z.array(mergeTable)), "Tables with rows that differ."),
    compared: about(z.optional(count), "Rows that were compared, of both states together. Absent: an undo."),
    unmergeable: about(
      z.readonly(
        z.array(
          z.strictObject({
            table: tableName,
            obstacle: about(
              z.enum([
                "no key",
                "columns differ",
                "keys differ",
                "only then",
                "only now",
                "other kind",
                "expiring",
                "not readable",
                "not writable",
              ]),
              "Why not.",
            ),
            message: z.string(),
          }),
        ),
      ),
      "Tables that cannot be merged: with any, nothing is done.",
    ),
    sequences: about(
      z.readonly(
        z.array(
          z.strictObject({
            sequence: about(z.string(), "Its name, with its schema."),
            from: about(z.string(), "Its last value now."),
            to: about(z.string(), "What it is raised to."),
          }),
        ),
      ),
      "Sequences that are raised.",
    ),
    remarks: about(z.readonly(z.array(z.string())), "What is done about triggers, generated columns and row-level security."),
    locks: about(z.readonly(z.array(z.string())), "Locks that are taken."),
    digest: about(z.string(), "SHA-256 over the changes."),
  }),
);

export const mergedTables = about(
  z.readonly(
    z.array(
      z.strictObject({
        table: tableName,
        inserted: about(count, "Rows that were missing."),
        updated: about(count, "Rows that were changed."),
        deleted: about(count, "Rows that did not exist then."),
        unchanged: about(count, "Rows that had the wanted state already."),
        changedSince: about(count, "Rows that were changed since they were compared, and were left alone."),
        changedKeys: about(z.readonly(z.array(z.string())), "Keys of a few of them."),
      }),
    ),
  ),
  "What was done, table by table.",
);
