// Delivery of one alert to the channels of its route. When a channel fails, another one says so.
import { asLifeboatError, type ErrorCode, isLifeboatError } from "../../core/errors.ts";
import { matches, routeOf } from "../../core/routes.ts";
import type { Work } from "../../ports/connection.ts";
import type { Alert, Channel } from "../../ports/notifier.ts";
import type { Context } from "../context.ts";

/** A channel that did not take the alert. */
export interface FailedChannel {
  readonly channel: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly next: string;
}

export interface Delivery {
  readonly sent: readonly string[];
  /** Channels in their quiet hours: the alert is due there when these are over. */
  readonly held: readonly string[];
  readonly failed: readonly FailedChannel[];
  /**
   * Alerts about failed channels, sent through others: the caller keeps them with its open alerts, and closes each when its channel takes
   * an alert again.
   */
  readonly fallbacks: readonly { readonly alert: Alert; readonly sent: readonly string[] }[];
}

/** The identity of the alert about a failed channel. */
export const channelIdentity = (channel: string): string => `channel/${channel}`;

/**
 * Sends the alert to every channel of its route. `only` limits it to some channels, such as those where it was held. Nothing of a channel
 * is thrown; the reason of `work.signal` is, when that aborts.
 */
export async function deliverAlert(
  context: Pick<Context, "notifiers" | "clock" | "timeZone">,
  alert: Alert,
  work: Work = {},
  only?: readonly string[],
): Promise<Delivery> {
  const now = context.clock.now();
  const channels = [...(context.notifiers?.values() ?? [])].filter(({ name }) => only === undefined || only.includes(name));
  const wantedAt = (channel: Channel): string => (alert.event === "test" ? "now" : routeOf(channel.route, alert, now, context.timeZone));
  const due = channels.filter((channel) => wantedAt(channel) === "now");
  const held = channels.filter((channel) => wantedAt(channel) === "later").map(({ name }) => name);
  const { sent, failed } = await sendTo(due, alert, work);
  const fallbacks = [];
  for (const failure of failed) {
    const about = fallbackOf(alert, failure, now);
    const through = await sendFallback(context, about, { sent, failed }, work);
    fallbacks.push({ alert: about, sent: through });
  }
  return { sent, held, failed, fallbacks };
}

function fallbackOf(alert: Alert, { channel, message, next }: FailedChannel, now: Date): Alert {
  return {
    identity: channelIdentity(channel),
    event: "opened",
    severity: alert.severity,
    source: alert.source,
    code: "NOTIFY_FAILED",
    title: `Notification channel ${channel} failed`,
    message: `${message}. It did not receive: ${alert.title}. ${alert.message}`,
    since: now,
    at: now,
    next,
  };
}

type Outcome = Pick<Delivery, "sent" | "failed">;

/**
 * The channels that took the alert say that another one did not. Where none took it, the remaining ones are tried one after another, those
 * for this kind of alert first, whatever their quiet hours: it is their only way to be heard.
 */
async function sendFallback(
  { notifiers }: Pick<Context, "notifiers">,
  about: Alert,
  { sent, failed }: Outcome,
  work: Work,
): Promise<readonly string[]> {
  const all = [...(notifiers?.values() ?? [])];
  if (sent.length > 0) {
    const said = await sendTo(all.filter(({ name }) => sent.includes(name)), about, work);
    if (said.sent.length > 0) return said.sent;
  }
  const rest = all.filter(({ name }) => !sent.includes(name) && !failed.some(({ channel }) => channel === name));
  const [fitting, others] = [rest.filter(({ route }) => matches(route, about)), rest.filter(({ route }) => !matches(route, about))];
  for (const channel of [...fitting, ...others]) {
    const said = await sendTo([channel], about, work);
    if (said.sent.length > 0) return said.sent;
  }
  return [];
}

async function sendTo(channels: readonly Channel[], alert: Alert, work: Work): Promise<Outcome> {
  const sent: string[] = [];
  const failed: FailedChannel[] = [];
  const outcomes = await Promise.all(channels.map((channel) => sendOne(channel, alert, work)));
  for (const [index, { name }] of channels.entries()) {
    const outcome = outcomes[index];
    if (outcome === "sent") sent.push(name);
    else if (outcome !== "heartbeat only" && outcome !== undefined) failed.push(outcome);
  }
  return { sent, failed };
}

async function sendOne(channel: Channel, alert: Alert, work: Work): Promise<"sent" | "heartbeat only" | FailedChannel> {
  try {
    const notifier = await channel.notifier();
    if (notifier.send === undefined) return "heartbeat only";
    await notifier.send(alert, work);
    return "sent";
  } catch (error) {
    work.signal?.throwIfAborted();
    if (isLifeboatError(error, "CANCELLED")) throw error;
    return failureOf(channel, error);
  }
}

export function failureOf({ name }: Pick<Channel, "name">, error: unknown): FailedChannel {
  const { code, message, hint } = asLifeboatError(error);
  return { channel: name, code, message, next: hint };
}
