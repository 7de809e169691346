// Tells channels of alerts: what is due to whom, what was delivered, and which channel is in trouble. deliver.ts sends.
import { type AlertEvent, alertIdentity } from "../../core/alerts.ts";
import { matches, routeOf } from "../../core/routes.ts";
import type { Channel } from "../../ports/notifier.ts";
import type { AlertState, Pending, Troubled } from "../../repository/alerts.ts";
import type { Watch } from "../context.ts";
import { type Delivery, deliver } from "./deliver.ts";

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

/** The deliveries that this process begins now, as they were before, and all that remain in the state. `begins`: false to begin none. */
export function claim(
  pending: readonly Pending[],
  events: readonly AlertEvent[],
  listeners: Listeners,
  now: Date,
  begins = true,
): { readonly mine: readonly Pending[]; readonly pending: readonly Pending[] } {
  const known = withoutUnheard(current(pending, now, listeners), events);
  const fresh = events
    .map((event): Pending => ({ event, left: audienceOf(event, pending, listeners) }))
    .filter(({ left }) => left.length > 0);
  const isFree = ({ event, left, claimedAt }: Pending): boolean =>
    begins &&
    (claimedAt === undefined || Math.abs(now.getTime() - claimedAt.getTime()) >= CLAIM_MS) &&
    left.some((name) => isOpenAt(listeners, event, name, now));
  const [mine = [], others = []] = [true, false].map((free) => [...known, ...fresh].filter((one) => isFree(one) === free));
  return { mine, pending: [...others, ...mine.map((one) => ({ ...one, claimedAt: now }))] };
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
      (claimedAt === undefined || !isOpenAt(listeners, event, name, claimedAt)),
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

/** Delivers to all channels at once. What is not among the results was not tried: `settle` frees it. */
export async function tell({ channels, timeZone }: Listeners, mine: readonly Pending[], now: Date, watch: Watch): Promise<Delivery[]> {
  const told = channels.map((channel) => {
    const { name, route } = channel;
    const due = mine.filter(({ event, left }) => left.includes(name) && routeOf(route, event.alert, now, timeZone) === "now");
    const events = due.map(({ event }) => event);
    return events.length === 0 ? [] : deliver(channel, events, watch.signal);
  });
  return (await Promise.all(told)).flat();
}

const eventKey = ({ type, at, alert }: AlertEvent): string => `${type} ${at.toISOString()} ${alertIdentity(alert)}`;

const pendingKey = ({ event, left }: Pending): string => [eventKey(event), ...left].join(" ");

/**
 * The state after deliveries: what was taken or refused is no longer due, and a channel is in trouble until it takes something again. `mine`
 * is as it was before it was claimed.
 */
export function settle(state: AlertState, mine: readonly Pending[], told: readonly Delivery[], now: Date): AlertState {
  const keyOf = ({ channel, event }: Pick<Delivery, "channel" | "event">): string => `${channel} ${eventKey(event)}`;
  const isOver = ({ error, refused, interrupted }: Delivery): boolean => interrupted !== true && (error === undefined || refused === true);
  const over = new Set(told.filter(isOver).map(keyOf));
  const tried = new Set(told.map(keyOf));
  const own = new Map(mine.map((one) => [pendingKey(one), one]));
  const pending = state.pending.flatMap((one) => {
    const before = own.get(pendingKey(one));
    if (before === undefined) return [one];
    const { event } = one;
    const left = one.left.filter((channel) => !over.has(keyOf({ channel, event })));
    const [failed = [], untried = []] = [true, false].map((was) => left.filter((channel) => tried.has(keyOf({ channel, event })) === was));
    return [
      { ...one, left: failed },
      { ...before, left: untried },
    ].filter((rest) => rest.left.length > 0);
  });
  return { ...state, pending, troubled: troubledAfter(state.troubled, told, now) };
}

function troubledAfter(before: readonly Troubled[], told: readonly Delivery[], now: Date): Troubled[] {
  const spoke = new Set(told.filter(({ silent, interrupted }) => silent !== true && interrupted !== true).map(({ channel }) => channel));
  const failed = new Map(told.flatMap(({ channel, error }) => (error === undefined ? [] : [[channel, error] as const])));
  const again = [...failed].map(([channel, message]) => ({
    ...{ channel, message },
    since: before.find((one) => one.channel === channel)?.since ?? now,
  }));
  return [...before.filter(({ channel }) => !spoke.has(channel)), ...again].sort((a, b) => (a.channel < b.channel ? -1 : 1));
}
