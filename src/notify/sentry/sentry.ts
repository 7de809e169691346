// Alerts as events of Sentry, grouped by the alert's identity, and the check-in of a cron monitor.
import type { Secret } from "../../core/secret.ts";
import { visible } from "../../core/visible.ts";
import type { Alert, Notifier, NotifierWiring } from "../../ports/notifier.ts";
import { delivererOf } from "../attempts.ts";
import { jsonOrder, request } from "../http.ts";
import { clip, digestOf, textOf } from "../text.ts";

const MESSAGE_MAX = 8192;
const TAG_MAX = 200;
const LEVELS = { critical: "error", warning: "warning", info: "info" } as const;

interface Options {
  readonly dsn: Secret;
  readonly environment: string;
  readonly monitor?: string | undefined;
  readonly everyMs?: number | undefined;
}

export function makeNotifier({ options, ...wiring }: NotifierWiring<Options>): Notifier {
  const { environment, monitor, everyMs } = options;
  const { base, key } = addressOf(options.dsn.read());
  const deliverer = delivererOf(wiring, [options.dsn.read(), key]);
  return {
    async send(alert, work) {
      const order = {
        url: `${base}/envelope/`,
        headers: {
          "content-type": "application/x-sentry-envelope",
          "x-sentry-auth": `Sentry sentry_version=7, sentry_client=lifeboat/1.0, sentry_key=${key}`,
        },
        body: envelopeOf(alert, environment),
      };
      await request(deliverer, order, work);
    },
    ...(monitor !== undefined && {
      async heartbeat(state, work) {
        const status = state === "ok" ? "ok" : "error";
        const body = { status, environment, ...(everyMs !== undefined && { monitor_config: monitorConfig(everyMs) }) };
        await request(deliverer, jsonOrder(`${base}/cron/${monitor}/${key}/`, body), work);
      },
    }),
  };
}

/** `https://KEY@HOST/PREFIX/PROJECT`: where the project's endpoints are. */
function addressOf(dsn: string): { readonly base: string; readonly key: string } {
  const { protocol, host, username, pathname } = new URL(dsn);
  const cut = pathname.lastIndexOf("/");
  return { base: `${protocol}//${host}${pathname.slice(0, cut)}/api/${pathname.slice(cut + 1)}`, key: username };
}

/** The id depends on the event alone: Sentry drops a second copy. */
function envelopeOf(alert: Alert, environment: string): string {
  const { headline, message, facts, next } = textOf(alert);
  const isClosed = alert.event === "closed";
  const id = digestOf(`${alert.identity}\n${alert.event}\n${alert.at.toISOString()}`).slice(0, 32);
  const tag = (text: string): string => clip(visible(text), TAG_MAX);
  const event = {
    event_id: id,
    timestamp: alert.at.toISOString(),
    platform: "node",
    logger: "lifeboat",
    level: isClosed || alert.event === "test" ? "info" : LEVELS[alert.severity],
    environment,
    message: { formatted: clip(`${headline}\n${message}`, MESSAGE_MAX) },
    // Closing is an issue of its own: an event in the alert's issue would say that it happened once more.
    fingerprint: ["lifeboat", alert.identity, ...(isClosed ? ["closed"] : [])],
    tags: {
      code: tag(alert.code),
      severity: alert.severity,
      event: alert.event,
      ...(alert.source !== null && { source: tag(alert.source) }),
    },
    extra: { ...Object.fromEntries(facts), ...(next !== undefined && { next }) },
  };
  const item = JSON.stringify(event);
  const header = JSON.stringify({ event_id: id, sent_at: alert.at.toISOString() });
  return `${header}\n${JSON.stringify({ type: "event", length: Buffer.byteLength(item) })}\n${item}\n`;
}

function monitorConfig(everyMs: number) {
  const minutes = Math.max(1, Math.round(everyMs / 60_000));
  return {
    schedule: { type: "interval", value: minutes, unit: "minute" },
    checkin_margin: Math.max(1, Math.ceil(minutes / 5)),
    failure_issue_threshold: 1,
    recovery_threshold: 1,
  };
}
