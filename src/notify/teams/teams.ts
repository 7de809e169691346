// Alerts as adaptive cards of a Teams workflow.
import type { Secret } from "../../core/secret.ts";
import type { Alert, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { jsonOrder, request } from "../http.ts";
import { type AlertText, clip, groupTextOf, severityOf, textOf } from "../text.ts";

/** A message may have 28 KB in all. */
const LINE_MAX = 1000;
const MESSAGE_MAX = 4000;
const COLOURS = { critical: "Attention", warning: "Warning", info: "Accent", closed: "Good" } as const;

export function makeNotifier({ options, ...wiring }: NotifierWiring<{ readonly url: Secret }>): Notifier {
  const url = options.url.read();
  const deliverer = delivererOf(wiring, [url]);
  return {
    async send(alert, work) {
      await request(deliverer, jsonOrder(url, messageOf(textOf(alert), alert)), work);
    },
    async sendGroup(group, work) {
      const { event, alerts } = group;
      await request(deliverer, jsonOrder(url, messageOf(groupTextOf(group, MESSAGE_MAX), { event, severity: severityOf(alerts) })), work);
    },
  };
}

const messageOf = (text: AlertText, tone: Pick<Alert, "event" | "severity">) => ({
  type: "message",
  attachments: [{ contentType: "application/vnd.microsoft.card.adaptive", contentUrl: null, content: cardOf(text, tone) }],
});

/** Text runs are shown as they are; a TextBlock or a FactSet would read Markdown in a table's name. */
function cardOf({ headline, summary, message, facts, next, link }: AlertText, { event, severity }: Pick<Alert, "event" | "severity">) {
  const line = (text: string, most = LINE_MAX, style = {}) => ({
    type: "RichTextBlock",
    inlines: [{ type: "TextRun", text: clip(text, most), ...style }],
  });
  const color = COLOURS[event === "closed" ? "closed" : severity];
  return {
    $schema: "http://adaptivecards.io/schemas/adaptive-card.json",
    type: "AdaptiveCard",
    version: "1.4",
    fallbackText: clip(summary, LINE_MAX),
    body: [
      line(headline, LINE_MAX, { size: "Medium", weight: "Bolder", color }),
      ...(message === "" ? headline : clip(message, MESSAGE_MAX)).split("\n").map((one) => line(one, MESSAGE_MAX)),
      ...facts.map(([label, value]) => line(`${label}: ${value}`)),
      ...(next === undefined ? [] : [line(`next: ${next}`, LINE_MAX, { fontType: "Monospace" })]),
    ],
    ...(link === undefined ? {} : { actions: [{ type: "Action.OpenUrl", title: "Open", url: link }] }),
  };
}
