// Tells channels of alerts: what is due to whom, what was delivered, and which channel is in trouble.
import { type AlertEvent, alertIdentity, alertInWords } from "../../core/alerts.ts";
import { asLifeboatError } from "../../core/errors.ts";
import { instructionOf } from "../../core/hints.ts";
import { isHealthCode, nextOfFinding } from "../../core/monitors.ts";
import { matches, routeOf } from "../../core/routes.ts";
import type { Channel } from "../../ports/notifier.ts";
import type { AlertState, Pending, Troubled } from "../../repository/alerts.ts";
import type { Watch } from "../context.ts";

export interface Delivery {
  readonly channel: string;
  readonly source: string | null;
  readonly code: string;
  readonly about?: string | undefined;
  readonly error?: string | undefined;
  /** The service rejected it: the same event is not tried again. */
  readonly refused?: boolean | undefined;
  /** The channel takes no alerts. */
  readonly silent?: boolean | undefined;
}

/** The channels, and the zone of their quiet hours. */
export interface Listeners {
  readonly channels: readonly Channel[];
  readonly timeZone: string;
}

/** How long another machine has for the deliveries that it began. */
const CLAIM_MS = 120_000;
/** An event that a channel did not take for so long is dropped. */
const STALE_MS = 24 * 3_600_000;

/** Whether the channel may be told of the event at that instant: quiet hours can make it wait. */
function isOpenAt({ channels, timeZone }: Listeners, { alert }: AlertEvent, name: string, at: Date): boolean {
  const route = channels.find((channel) => channel.name === name)?.route;
  return route !== undefined && routeOf(route, alert, at, timeZone) === "now";
}

/** The deliveries that this process begins now, and all that remain in the state. */
export function claim(
  pending: readonly Pending[],
  events: readonly AlertEvent[],
  listeners: Listeners,
  now: Date,
): { readonly mine: readonly Pending[]; readonly pending: readonly Pending[] } {
  const known = withoutUnheard(current(pending, now, listeners), events);
  const fresh = events
    .map((event) => ({ event, left: audienceOf(event, pending, listeners), claimedAt: now }))
    .filter(({ left }) => left.length > 0);
  const isFree = ({ event, left, claimedAt }: Pending): boolean =>
    Math.abs(now.getTime() - claimedAt.getTime()) >= CLAIM_MS && left.some((name) => isOpenAt(listeners, event, name, now));
  const mine = [...known.filter(isFree).map((one) => ({ ...one, claimedAt: now })), ...fresh];
  return { mine, pending: [...known.filter((one) => !isFree(one)), ...mine] };
}

/** A channel is not told of its own trouble, nor of the end of what it never heard. */
function audienceOf(event: AlertEvent, pending: readonly Pending[], listeners: Listeners): string[] {
  const { alert, type } = event;
  return listeners.channels
    .filter(({ route, name }) => matches(route, alert) && !(alert.code === "NOTIFY_FAILED" && alert.about === name))
    .map(({ name }) => name)
    .filter((name) => type !== "closed" || !isUnheard(pending, event, name, listeners));
}

/** A channel that was tried may have heard it, although the answer was lost: the end of the alert is told there. */
const isUnheard = (pending: readonly Pending[], { alert }: AlertEvent, name: string, listeners: Listeners): boolean =>
  pending.some(
    ({ event, left, claimedAt }) =>
      event.type === "opened" &&
      alertIdentity(event.alert) === alertIdentity(alert) &&
      left.includes(name) &&
      !isOpenAt(listeners, event, name, claimedAt),
  );

/** What channels of the configuration still have to be told. */
function current(pending: readonly Pending[], now: Date, { channels }: Listeners): Pending[] {
  const known = new Set(channels.map(({ name }) => name));
  return pending
    .filter(({ event }) => now.getTime() - event.at.getTime() < STALE_MS)
    .map((one) => ({ ...one, left: one.left.filter((name) => known.has(name)) }))
    .filter(({ left }) => left.length > 0);
}

/** An alert that opened and closed while a channel could not be told is not told there at all. */
function withoutUnheard(pending: readonly Pending[], events: readonly AlertEvent[]): Pending[] {
  const over = new Set(events.filter(({ type }) => type === "closed").map(({ alert }) => alertIdentity(alert)));
  return pending.filter(({ event }) => !over.has(alertIdentity(event.alert)));
}

/** Delivers. A failure is a result, not an error. */
export async function tell({ channels, timeZone }: Listeners, mine: readonly Pending[], now: Date, watch: Watch): Promise<Delivery[]> {
  const orders = mine.flatMap(({ event, left }) =>
    channels
      .filter(({ name, route }) => left.includes(name) && routeOf(route, event.alert, now, timeZone) === "now")
      .map((channel) => ({ event, channel })),
  );
  return Promise.all(
    orders.map(async ({ event, channel }) => {
      const { source, code, about } = event.alert;
      const to = { channel: channel.name, source, code, about };
      try {
        const { send } = await channel.notifier();
        await send?.(messageOf(event), { signal: watch.signal });
        return { ...to, silent: send === undefined };
      } catch (error) {
        watch.signal.throwIfAborted();
        const { code: why, message } = asLifeboatError(error);
        return { ...to, error: message, refused: why === "NOTIFY_REFUSED" };
      }
    }),
  );
}

const messageOf = (event: AlertEvent) => {
  const { type, alert, at } = event;
  const { source, code, severity, openedAt, next } = alert;
  return {
    identity: `lifeboat/${alertIdentity(alert)}`,
    event: type,
    ...{ severity, source, code, at },
    title: code,
    message: alertInWords(event),
    since: openedAt,
    next: type === "closed" || !isHealthCode(code) ? undefined : instructionOf(nextOfFinding({ code, next }, source)),
  };
};

const eventKey = ({ type, at, alert }: AlertEvent): string => `${type} ${at.toISOString()} ${alertIdentity(alert)}`;

/** The state after deliveries: what was taken or refused is no longer due, and a channel is in trouble until it takes something again. */
export function settle(state: AlertState, mine: readonly Pending[], told: readonly Delivery[], now: Date): AlertState {
  const keyOf = (one: Delivery): string => `${one.channel} ${alertIdentity(one)}`;
  const over = new Set(told.filter(({ error, refused }) => error === undefined || refused).map(keyOf));
  const own = new Set(mine.map(({ event }) => eventKey(event)));
  const pending = state.pending.flatMap((one) => {
    if (!own.has(eventKey(one.event))) return [one];
    const left = one.left.filter((name) => !over.has(`${name} ${alertIdentity(one.event.alert)}`));
    return left.length === 0 ? [] : [{ ...one, left }];
  });
  return { ...state, pending, troubled: troubledAfter(state.troubled, told, now) };
}

function troubledAfter(before: readonly Troubled[], told: readonly Delivery[], now: Date): Troubled[] {
  const spoke = new Set(told.filter(({ silent }) => silent !== true).map(({ channel }) => channel));
  const failed = new Map(told.flatMap(({ channel, error }) => (error === undefined ? [] : [[channel, error] as const])));
  const again = [...failed].map(([channel, message]) => ({
    ...{ channel, message },
    since: before.find((one) => one.channel === channel)?.since ?? now,
  }));
  return [...before.filter(({ channel }) => !spoke.has(channel)), ...again].sort((a, b) => (a.channel < b.channel ? -1 : 1));
}
