// lifeboat notify test [CHANNEL]
import { text } from "../../core/option-types.ts";
import { notifyTest } from "../../operations/verbs/notify.ts";
import { defineCommand } from "../command.ts";
import { perform } from "../session.ts";

export const notifyTestCommand = defineCommand({
  description:
    "Sends a test message, and a heartbeat where there is one, through each notification channel. Says of each whether the service took it. Exit status 1: at least one channel failed.",
  arguments: { channel: { type: text, help: "Name of the channel. Default: all." } },
  options: {},
  json: true,
  examples: ["lifeboat notify test", "lifeboat notify test team"],
  run: (call) =>
    perform(call, notifyTest, call.args, ({ channels }) =>
      channels
        .map(({ channel, kind, outcome, message, next }) => {
          const shown = call.paint.verdict(outcome === "sent" ? "pass" : "fail");
          return `${shown}  ${channel} (${kind}) ${outcome}: ${message}${next === null ? "" : `\n    next: ${next}`}`;
        })
        .join("\n"),
    ),
});
