// Alerts as messages of a Discord webhook.
import type { Secret } from "../../core/secret.ts";
import { visible } from "../../core/visible.ts";
import type { Alert, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { type Answer, jsonOrder, parsedJson, request } from "../http.ts";
import { type AlertText, clip, groupTextOf, severityOf, textOf } from "../text.ts";

const CONTENT_MAX = 2000;
const TITLE_MAX = 256;
const DESCRIPTION_MAX = 3000;
const NEXT_MAX = 500;
/** Of a group's list, before it is escaped: that can double it. */
const LIST_MAX = 1200;
const VALUE_MAX = 400;
const COLOURS = { critical: 0xd92d20, warning: 0xdc6803, info: 0x1570ef, closed: 0x079455 } as const;

interface Options {
  readonly url: Secret;
  readonly threadId?: string | undefined;
}

export function makeNotifier({ options: { url, threadId }, ...wiring }: NotifierWiring<Options>): Notifier {
  const deliverer = delivererOf(wiring, [url.read()]);
  const address = new URL(url.read());
  // Without it, Discord answers before the message is stored, and reports no failure.
  address.searchParams.set("wait", "true");
  if (threadId !== undefined) address.searchParams.set("thread_id", threadId);
  return {
    async send(alert, work) {
      await request(deliverer, jsonOrder(address.href, messageOf(textOf(alert), alert)), work, retryAfterMs);
    },
    async sendGroup(group, work) {
      const text = groupTextOf(group, LIST_MAX);
      const tone = { event: group.event, severity: severityOf(group.alerts), at: group.at, title: text.headline };
      await request(deliverer, jsonOrder(address.href, messageOf(text, tone)), work, retryAfterMs);
    },
  };
}

function messageOf(
  { headline, summary, message, facts, next, link }: AlertText,
  alert: Pick<Alert, "event" | "severity" | "at" | "title">,
) {
  const described = [
    clip(escapeMarkdown(message === "" ? headline : message), DESCRIPTION_MAX - NEXT_MAX),
    ...(next === undefined ? [] : [clip(`next: \`${next.replaceAll("`", "'")}\``, NEXT_MAX)]),
  ];
  return {
    content: clip(escapeMarkdown(clip(summary, CONTENT_MAX / 2)), CONTENT_MAX),
    // No text of an alert can notify a member or a role.
    allowed_mentions: { parse: [] },
    embeds: [
      {
        title: clip(escapeMarkdown(clip(visible(alert.title), TITLE_MAX / 2)), TITLE_MAX),
        description: clip(described.join("\n"), DESCRIPTION_MAX),
        color: COLOURS[alert.event === "closed" ? "closed" : alert.severity],
        timestamp: alert.at.toISOString(),
        fields: facts.map(([name, value]) => ({ name, value: clip(escapeMarkdown(clip(value, VALUE_MAX / 2)), VALUE_MAX), inline: true })),
        ...(link === undefined ? {} : { url: link }),
      },
    ],
  };
}

/** The zero-width space keeps `@everyone` and a bare address from being read as such, the backslash all other markup. */
const escapeMarkdown = (text: string): string =>
  text.replace(/[\\*_~`|<>[\]()#:-]/g, (character) => `\\${character}`).replaceAll("@", "@\u200b");

/** Discord gives the pause in the body, with fractions of a second. */
function retryAfterMs({ text }: Answer): number | undefined {
  const body = parsedJson(text);
  const seconds = typeof body === "object" && body !== null && "retry_after" in body ? body.retry_after : undefined;
  return typeof seconds === "number" && seconds >= 0 ? seconds * 1000 : undefined;
}
