// Chat services, as their webhooks judge a message. Each notes the mentions that its members would have been notified by.
import type { TestContext } from "node:test";
import { beginPeer, jsonOf, objectsIn, type Peer, Refused, rule } from "./peer.ts";

type Json = Record<string, unknown>;
const isText = (value: unknown): value is string => typeof value === "string";
const list = (value: unknown): Json[] => (Array.isArray(value) ? value : []);
const within = (value: unknown, most: number, what: string): void =>
  rule(isText(value) && value.length > 0 && value.length <= most, `invalid_blocks: ${what}`);

export interface Room extends Peer {
  readonly url: string;
  readonly messages: Json[];
  readonly mentions: string[];
}

export async function beginSlack(t: TestContext): Promise<Room> {
  const path = "/services/T0001/B0001/abcdefghijklmnop";
  const messages: Json[] = [];
  const mentions: string[] = [];
  const peer = await beginPeer(t, (received) => {
    rule(received.url.pathname === path, "no_service", 404);
    const message = jsonOf(received);
    rule(isText(message.text) && message.text !== "" && message.text.length <= 40_000, "missing_text_or_fallback_or_attachments");
    const blocks = list(message.blocks);
    rule(blocks.length <= 50, "invalid_blocks: too many");
    for (const block of blocks) slackBlock(block);
    const marked = objectsIn(blocks).filter(({ type }) => type === "mrkdwn");
    for (const text of [message.text, ...marked.map((one) => String(one.text))]) {
      rule(!/&(?!amp;|lt;|gt;)/.test(text), "invalid_blocks: & is not escaped");
      mentions.push(...(text.match(/<[!@#][^>]*>/g) ?? []));
    }
    messages.push(message);
    return { status: 200, body: "ok" };
  });
  return { ...peer, url: `${peer.origin}${path}`, messages, mentions };
}

function slackBlock(block: Json): void {
  const text = block.text as Json | undefined;
  switch (block.type) {
    case "header":
      rule(text?.type === "plain_text", "invalid_blocks: a header is plain text");
      within(text.text, 150, "header");
      return;
    case "section":
      rule(text !== undefined || list(block.fields).length > 0, "invalid_blocks: section without text");
      if (text !== undefined) within(text.text, 3000, "section");
      rule(list(block.fields).length <= 10, "invalid_blocks: fields");
      for (const field of list(block.fields)) within(field.text, 2000, "field");
      return;
    case "context":
      rule(list(block.elements).length >= 1 && list(block.elements).length <= 10, "invalid_blocks: context");
      return;
    default:
      throw new Refused(`invalid_blocks: ${String(block.type)}`);
  }
}

export async function beginDiscord(t: TestContext): Promise<Room> {
  const path = "/api/webhooks/1234567890/abcdefghijklmnop";
  const messages: Json[] = [];
  const mentions: string[] = [];
  const peer = await beginPeer(t, (received) => {
    const invalid = (message: string): string => JSON.stringify({ code: 50035, message });
    const upTo = (value: unknown, most: number, what: string): void =>
      rule(value === undefined || (isText(value) && value.length > 0 && value.length <= most), invalid(what));
    rule(received.url.pathname === path, JSON.stringify({ message: "Unknown Webhook", code: 10015 }), 404);
    const message = jsonOf(received);
    const embeds = list(message.embeds);
    rule(isText(message.content) || embeds.length > 0, invalid("empty message"));
    upTo(message.content, 2000, "content");
    rule(embeds.length <= 10, invalid("embeds"));
    let total = 0;
    for (const { title, description, fields, color, timestamp, url } of embeds) {
      upTo(title, 256, "title");
      upTo(description, 4096, "description");
      rule(Number.isInteger(color) && isText(timestamp) && !Number.isNaN(Date.parse(timestamp)), invalid("colour or timestamp"));
      rule(url === undefined || (isText(url) && URL.canParse(url)), invalid("url"));
      rule(list(fields).length <= 25, invalid("fields"));
      for (const { name, value } of list(fields)) {
        upTo(name, 256, "field name");
        upTo(value, 1024, "field value");
        total += String(name).length + String(value).length;
      }
      total += String(title ?? "").length + String(description ?? "").length;
    }
    rule(total <= 6000, invalid("embeds are too long"));
    const allowed = (message.allowed_mentions as { parse?: unknown[] } | undefined)?.parse ?? ["everyone"];
    if (allowed.length > 0) mentions.push(...(String(message.content).match(/@(everyone|here)|<@[^>]+>/g) ?? []));
    messages.push(message);
    if (received.url.searchParams.get("wait") !== "true") return { status: 204 };
    return { status: 200, body: JSON.stringify({ id: "42", content: message.content }), headers: { "content-type": "application/json" } };
  });
  return { ...peer, url: `${peer.origin}${path}`, messages, mentions };
}

/** Elements whose texts Teams reads as Markdown. */
const MARKDOWN = ["TextBlock", "FactSet"];

export async function beginTeams(t: TestContext): Promise<Room> {
  const path = "/workflows/abcdefghijklmnop/triggers/manual/paths/invoke";
  const messages: Json[] = [];
  const mentions: string[] = [];
  const peer = await beginPeer(t, (received) => {
    rule(
      received.url.pathname === path && received.url.searchParams.get("sig") === "secret-signature",
      "DirectApiAuthorizationRequired",
      401,
    );
    rule(Buffer.byteLength(received.body) <= 28 * 1024, "RequestEntityTooLarge", 413);
    const message = jsonOf(received);
    const [attachment, ...others] = list(message.attachments);
    rule(message.type === "message" && attachment !== undefined && others.length === 0, "not a message with one attachment");
    rule(attachment.contentType === "application/vnd.microsoft.card.adaptive", "not an adaptive card");
    const card = attachment.content as Json;
    rule(card.type === "AdaptiveCard" && card.version === "1.4" && list(card.body).length > 0, "not an adaptive card of version 1.4");
    for (const block of list(card.body)) {
      if (block.type !== "RichTextBlock") {
        rule(MARKDOWN.includes(String(block.type)), `unknown element ${String(block.type)}`);
        mentions.push(`markdown in ${String(block.type)}`);
      }
      for (const run of list(block.inlines)) rule(run.type === "TextRun" && isText(run.text) && run.text !== "", "an empty text run");
    }
    for (const action of list(card.actions))
      rule(action.type === "Action.OpenUrl" && isText(action.url) && URL.canParse(action.url), "not an action");
    mentions.push(...objectsIn(message).flatMap((one) => ("entities" in one ? ["entities"] : [])));
    messages.push(card);
    return { status: 202 };
  });
  return { ...peer, url: `${peer.origin}${path}?api-version=1&sig=secret-signature`, messages, mentions };
}
