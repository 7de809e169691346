// lifeboat mcp
import { EXIT } from "../../core/errors.ts";
import { flag } from "../../core/option-types.ts";
import { serveMcp } from "../../server/mcp/server.ts";
import { defineCommand } from "../command.ts";
import { withContext } from "../session.ts";

export const mcpCommand = defineCommand({
  description:
    "Serves the operations as tools for agents (Model Context Protocol) on standard input and output. By default the tools read: status, restore points, previews with queries, plans, evidence. An agent never changes production: it can ask a second person for approval. docs/agents.md shows how to connect one.",
  arguments: {},
  options: {
    allowChanges: {
      type: flag,
      help: "Offer tools that make backups, drills and restores beside production too. What would change production becomes a request for approval.",
    },
  },
  json: false,
  examples: ["lifeboat mcp", "lifeboat --config /etc/lifeboat.yaml mcp --allow-changes"],
  async run(call) {
    if (process.stdin.isTTY)
      call.stderr.write(
        "an agent starts this command and sends its requests to standard input; Ctrl-C ends it\n  next: see docs/agents.md\n",
      );
    await withContext(call, (context) => serveMcp(context, { changes: call.options.allowChanges === true }));
    return EXIT.done;
  },
});
