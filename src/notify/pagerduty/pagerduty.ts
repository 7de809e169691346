// Alerts as events of PagerDuty: opened and reminded with `trigger`, closed with `resolve`, under one key.
import type { Secret } from "../../core/secret.ts";
import { visible } from "../../core/visible.ts";
import type { Alert, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { jsonOrder, request } from "../http.ts";
import { clip, digestOf, textOf } from "../text.ts";

const SUMMARY_MAX = 1024;
const KEY_MAX = 255;
const DETAIL_MAX = 4000;

interface Options {
  readonly routingKey: Secret;
  readonly events: string;
}

export function makeNotifier({ options: { routingKey, events }, ...wiring }: NotifierWiring<Options>): Notifier {
  const key = routingKey.read();
  const deliverer = delivererOf(wiring, [key]);
  const url = new URL("/v2/enqueue", events).href;
  return {
    async send(alert, work) {
      const dedupKey = alert.identity.length <= KEY_MAX ? alert.identity : digestOf(alert.identity);
      const enqueue = (action: "trigger" | "resolve", rest = {}) =>
        request(deliverer, jsonOrder(url, { routing_key: key, event_action: action, dedup_key: dedupKey, ...rest }), work);
      if (alert.event !== "closed") await enqueue("trigger", incidentOf(alert));
      // A test must not leave an incident behind.
      if (alert.event === "closed" || alert.event === "test") await enqueue("resolve");
    },
  };
}

function incidentOf(alert: Alert) {
  const { summary, message, facts, next, link } = textOf(alert);
  const details = Object.fromEntries([...facts, ["Message", message], ...(next === undefined ? [] : [["Next", next]])]);
  return {
    payload: {
      summary: clip(summary, SUMMARY_MAX),
      source: clip(visible(alert.source ?? "lifeboat"), SUMMARY_MAX),
      severity: alert.severity,
      timestamp: alert.at.toISOString(),
      class: clip(visible(alert.code), SUMMARY_MAX),
      custom_details: Object.fromEntries(Object.entries(details).map(([name, value]) => [name, clip(String(value), DETAIL_MAX)])),
    },
    client: "Lifeboat",
    ...(link === undefined ? {} : { links: [{ href: link, text: "Open" }] }),
  };
}
