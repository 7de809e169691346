// Alerts as messages of a Slack incoming webhook. A webhook cannot change a message, so an alert that is over is a new one.
import type { Secret } from "../../core/secret.ts";
import type { Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { jsonOrder, request } from "../http.ts";
import { type AlertText, clip, groupTextOf, textOf } from "../text.ts";

const HEADER_MAX = 150;
const SECTION_MAX = 3000;
const FALLBACK_MAX = 4000;

export function makeNotifier({ options, ...wiring }: NotifierWiring<{ readonly url: Secret }>): Notifier {
  const url = options.url.read();
  const deliverer = delivererOf(wiring, [url]);
  return {
    async send(alert, work) {
      await request(deliverer, jsonOrder(url, messageOf(textOf(alert))), work);
    },
    async sendGroup(group, work) {
      await request(deliverer, jsonOrder(url, messageOf(groupTextOf(group, SECTION_MAX))), work);
    },
  };
}

/** Texts of blocks are `plain_text`: Slack looks for no mention, link or format in them. The fallback and the link are the exceptions. */
function messageOf({ headline, summary, message, facts, next, link }: AlertText) {
  const plain = (text: string, most: number) => ({ type: "plain_text", text: clip(text, most), emoji: false });
  const section = (text: string) => ({ type: "section", text: plain(text, SECTION_MAX) });
  return {
    text: clip(escapeMarkup(clip(summary, FALLBACK_MAX / 5)), FALLBACK_MAX),
    blocks: [
      { type: "header", text: plain(headline, HEADER_MAX) },
      section(message === "" ? headline : message),
      { type: "section", fields: facts.map(([label, value]) => plain(`${label}\n${value}`, 2000)) },
      ...(next === undefined ? [] : [section(`next: ${next}`)]),
      ...(link === undefined ? [] : [{ type: "context", elements: [{ type: "mrkdwn", text: `<${escapeMarkup(link)}|open>` }] }]),
    ],
  };
}

/** Without it, `<!channel>` in a table's name would notify all members. */
const escapeMarkup = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
