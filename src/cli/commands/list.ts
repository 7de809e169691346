// lifeboat list [SOURCE]
import { integer, text } from "../../core/option-types.ts";
import { list } from "../../operations/verbs/list.ts";
import { defineCommand } from "../command.ts";
import { growSlowlyAfter } from "../heap.ts";
import { renderList } from "../render/list.ts";
import { perform } from "../session.ts";

/** What reads only what is new is done by then. */
const QUICK_MS = 1000;

export const listCommand = defineCommand({
  description: "Every restore point, oldest first, and what is known of each: how large, until when, held by whom, proven when.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {
    limit: { type: integer(1), value: "N", help: "Only the newest of each source, so many." },
    cursor: {
      type: text,
      value: "CURSOR",
      help: "Continue after a page, with the cursor that it ended with. A page has at most 10 000 points.",
    },
  },
  json: true,
  run(call) {
    growSlowlyAfter(QUICK_MS);
    return perform(call, list, { ...call.args, ...call.options }, (result) => renderList(result, call));
  },
});
