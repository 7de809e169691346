// Alerts as signed JSON, after Standard Webhooks 1.0.0.
import { createHmac } from "node:crypto";
import type { Secret } from "../../core/secret.ts";
import { visible } from "../../core/visible.ts";
import type { Alert, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { jsonOrder, request } from "../http.ts";
import { clip, digestOf } from "../text.ts";

/** A body may have 20 kB in all. */
const TEXT_MAX = 2000;

interface Options {
  readonly url: Secret;
  readonly secret: Secret;
  readonly previousSecret?: Secret | undefined;
}

export function makeNotifier({ options, ...wiring }: NotifierWiring<Options>): Notifier {
  const url = options.url.read();
  const secrets = [options.secret.read(), options.previousSecret?.read()].filter((secret) => secret !== undefined);
  const deliverer = delivererOf(wiring, [url, ...secrets]);
  return {
    async send(alert, work) {
      // Equal for every attempt at this event, so that the receiver can recognise a repetition.
      const id = `msg_${digestOf(`${alert.identity}\n${alert.event}\n${alert.at.toISOString()}`).slice(0, 32)}`;
      const content = contentOf(alert);
      const body = JSON.stringify(content);
      const order = () => {
        const timestamp = Math.floor(wiring.clock.now().getTime() / 1000).toString();
        const signatures = secrets.map((secret) => signatureOf(secret, `${id}.${timestamp}.${body}`));
        const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
        return jsonOrder(url, content, { headers });
      };
      await request(deliverer, order, work);
    },
  };
}

function contentOf({ event, identity, severity, source, code, title, message, since, at, next, link }: Alert) {
  const short = (text: string): string => clip(visible(text), TEXT_MAX);
  return {
    type: `alert.${event}`,
    timestamp: at.toISOString(),
    data: {
      identity: short(identity),
      severity,
      source: source === null ? null : short(source),
      code: short(code),
      title: short(title),
      message: short(message),
      since: since.toISOString(),
      next: next === undefined ? null : short(next),
      link: link === undefined ? null : short(link),
    },
  };
}

function signatureOf(secret: string, content: string): string {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  return `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
}
