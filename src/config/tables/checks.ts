// Options of one entry of a source's `checks`: a question asked of the restored database.
import type { Probe } from "../../ports/engine.ts";
import { section, type Type } from "../option.ts";
import { always, integer, text } from "../types.ts";
import { duration } from "../types-time.ts";

export const check = section(
  {
    table: { type: text, help: "Table the question is about, with its schema where that is not `public`.", example: "users" },
    exists: { type: always, help: "The table must be there (every question about a table asks this too)." },
    rows: {
      type: section({
        min: { type: integer(0), help: "At least so many." },
        max: { type: integer(0), help: "At most so many." },
      }),
      help: "How many rows it may have.",
      example: "{ min: 1 }",
    },
    newest: { type: text, help: "Column with the time a row was made; its greatest value must be recent.", example: "created_at" },
    within: { type: duration, as: "withinMs", help: "How long before the backup's instant the newest row may be.", example: "1h" },
    indexes: {
      type: section({ min: { type: integer(0), required: true, help: "At least so many." } }),
      help: "How many indexes it has.",
      example: "{ min: 2 }",
    },
    sql: {
      type: text,
      help: "Query that gives one row of one column: true passes, false fails.",
      example: "select count(*) > 0 from projects",
    },
    name: { type: text, help: "What reports call the query.", example: "projects are there" },
  },
  (written) => {
    if ((written.table === undefined) === (written.sql === undefined)) return "a check has either `table` or `sql`";
    const foreign = Object.keys(written).filter((key) => key !== "sql" && key !== "name");
    if (written.sql !== undefined && foreign.length > 0) return `\`${foreign[0]}\` belongs to a check of a table, not of a query`;
    if (written.sql === undefined && written.name !== undefined) return "`name` belongs to a check with `sql`";
    if ((written.newest === undefined) !== (written.within === undefined)) return "`newest` and `within` need each other";
    return undefined;
  },
) as Type<Probe>;
