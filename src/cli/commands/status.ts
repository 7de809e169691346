// lifeboat status [SOURCE]
import { asLifeboatError, EXIT, type ExitStatus } from "../../core/errors.ts";
import { flag, text } from "../../core/option-types.ts";
import { shown, visible } from "../../core/visible.ts";
import { status } from "../../operations/verbs/status.ts";
import { type CommandCall, defineCommand } from "../command.ts";
import { growSlowly } from "../heap.ts";
import { renderBrief, renderLook, renderReasons, renderStatus, renderStatusLine } from "../render/status.ts";
import { perform, withContext } from "../session.ts";

export const statusCommand = defineCommand({
  description:
    "Whether each source is protected right now. It is green only when the source answers, the newest backup is recent enough for the objective and proven, and a drill has passed. Anything unknown is inconclusive (exit status 3); anything wrong is exit status 4.",
  arguments: { source: { type: text, help: "Name of the source. Default: all." } },
  options: {
    maxAge: {
      type: text,
      value: "DURATION",
      help: "Answer with the last look that the service or a command took here, unless that is older, such as 5m. Default: look now.",
    },
    short: { type: flag, help: "One line for each source." },
    brief: {
      type: flag,
      help: "One line for all of them, with performance data and the exit statuses of a Nagios plugin: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    },
  },
  json: true,
  run(call) {
    const { short, brief, maxAge } = call.options;
    const request = { ...call.args, maxAge };
    if (request.source === undefined && maxAge === undefined) growSlowly();
    if (brief) return briefly(call, request);
    return perform(call, status, request, ({ sources, repositoryReasons, lookedAt }) => {
      const looked = maxAge === undefined ? [] : [renderLook(lookedAt, call.clock.now())];
      if (short) return [...sources.map((one) => renderStatusLine(one, call.paint)), ...looked].join("\n");
      const found = sources.map((one) => renderStatus(one, call.paint));
      return [...found, ...renderReasons("repository", repositoryReasons, call.paint), ...looked].join("\n\n");
    });
  },
});

/** What a monitor expects of a plugin: always one line on standard output, and one of four statuses. */
async function briefly(
  call: Parameters<typeof withContext>[0] & Pick<CommandCall, "emit">,
  request: { readonly source?: string | undefined; readonly maxAge?: string | undefined },
): Promise<ExitStatus> {
  try {
    const result = await withContext(call, (context) => status.run(context, request), status.storedOnly?.(request));
    call.emit(result, () => renderBrief(shown(result)));
    return { pass: EXIT.done, inconclusive: BRIEF.warning, fail: BRIEF.critical }[result.verdict];
  } catch (error) {
    const { code, message } = asLifeboatError(error);
    call.emit({ verdict: "inconclusive", code, message }, () => `LIFEBOAT UNKNOWN - ${code}: ${visible(message)}`);
    return BRIEF.unknown;
  }
}

/** The numbers are the plugin's, not the meanings that these statuses have elsewhere. */
const BRIEF = { warning: EXIT.failed, critical: EXIT.usage, unknown: EXIT.inconclusive } as const;
