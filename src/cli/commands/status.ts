// lifeboat status [SOURCE]
import { flag, text } from "../../core/option-types.ts";
import { status } from "../../operations/verbs/status.ts";
import { defineCommand } from "../command.ts";
import { renderReasons, renderStatus, renderStatusLine } from "../render/status.ts";
import { perform } from "../session.ts";

export const statusCommand = defineCommand({
  description:
    "Whether each source is protected right now. It is green only when the source answers, the newest backup is recent enough for the objective and proven, and a drill has passed. Anything unknown is inconclusive (exit status 3); anything wrong is exit status 4.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: { short: { type: flag, help: "One line for each source." } },
  json: true,
  run(call) {
    const { short } = call.options;
    return perform(call, status, call.args, ({ sources, repositoryReasons }) =>
      short
        ? sources.map((one) => renderStatusLine(one, call.paint)).join("\n")
        : [...sources.map((one) => renderStatus(one, call.paint)), ...renderReasons("repository", repositoryReasons, call.paint)].join(
            "\n\n",
          ),
    );
  },
});
