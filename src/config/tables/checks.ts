// Options of one entry of a source's `checks`: a question asked of the restored database.
import { section } from "../../core/option.ts";
import { always, duration, integer, pipeline, text } from "../../core/option-types.ts";

export const check = section(
  {
    table: { type: text, help: "Table the question is about, with its schema where that is not `public`.", example: "users" },
    collection: { type: text, help: "The same of a MongoDB source: the collection the question is about.", example: "users" },
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
    aggregate: {
      type: pipeline,
      help: "Pipeline, in extended JSON, that is run in the collection: it passes when its first document has `ok: true`.",
      example: `'[{ "$count": "n" }, { "$project": { "ok": { "$gt": ["$n", 0] } } }]'`,
    },
    name: { type: text, help: "What reports call the query or the pipeline.", example: "projects are there" },
  },
  (written) => {
    const given = (key: string): boolean => written[key] !== undefined;
    if (["table", "collection", "sql"].filter(given).length !== 1)
      return "a check has either `table` or `sql`, or `collection` of a MongoDB source";
    if (given("aggregate") && !given("collection")) return "`aggregate` needs the `collection` that it is run in";
    const asks = given("sql") ? "sql" : given("aggregate") ? "aggregate" : undefined;
    const foreign = Object.keys(written).find((key) => given(key) && !["sql", "aggregate", "name", "collection"].includes(key));
    if (asks !== undefined && foreign !== undefined)
      return `\`${foreign}\` belongs to a check of a table, not of a ${asks === "sql" ? "query" : "pipeline"}`;
    if (asks === undefined && given("name")) return "`name` belongs to a check with `sql` or `aggregate`";
    if (given("newest") !== given("within")) return "`newest` and `within` need each other";
    return undefined;
  },
);
