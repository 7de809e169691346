// A beat: one look at every source, the alerts that it opens and closes, and the channels that are told. The state is stored before a
// channel is told and again afterwards. So a crash in between repeats an alert and never loses one, and of two machines one tells it.
import { type Alert, type AlertEvent, advanceAlerts, alertInWords, type Look } from "../../core/alerts.ts";
import { asLifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import type { NextAction } from "../../core/hints.ts";
import { isHealthCode, nextOfFinding } from "../../core/monitors.ts";
import { matches, routeOf } from "../../core/routes.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { Channel } from "../../ports/notifier.ts";
import { type AlertState, changeAlerts, type Pending, readAlerts } from "../../repository/alerts.ts";
import { witnessAudit } from "../audit/witness.ts";
import type { Context, Source, Watch } from "../context.ts";
import { holdersOf } from "../jobs/holders.ts";
import { worstOf } from "../operation.ts";
import { type SourceStatus, statusOf } from "./status.ts";

export interface Beat {
  readonly verdict: Verdict;
  /** Of every source that could be judged. */
  readonly statuses: readonly SourceStatus[];
  readonly open: readonly Alert[];
  /** The changes of this look. */
  readonly events: readonly AlertEvent[];
  /** Every delivery that was tried, with the reason of one that failed. */
  readonly told: readonly Delivery[];
}

export interface Delivery {
  readonly channel: string;
  readonly source: string | null;
  readonly code: string;
  readonly error?: string | undefined;
  /** The channel takes no alerts. */
  readonly silent?: boolean | undefined;
}

/** How long another machine has for the deliveries that it began. */
const CLAIM_MS = 120_000;
/** An event that a channel did not take for so long is dropped. */
const STALE_MS = 24 * 3_600_000;

/** `own`: findings about the caller itself. Absent: it is not a service, and their alerts stay as they are. */
export async function beat(context: Context, sources: readonly Source[], watch: Watch, own?: readonly HealthReason[]): Promise<Beat> {
  const { repository, clock, timeZone } = context;
  const channels = [...(context.notifiers?.values() ?? [])];
  const { looks, statuses, verdict } = await look(context, sources, watch);
  const ofAudit = await witnessAudit(context, watch.signal);
  let events: readonly AlertEvent[] = [];
  let open: readonly Alert[] = [];
  let mine: readonly Pending[] = [];
  await changeAlerts(repository, (state) => {
    const now = clock.now();
    const isOpenAt = ({ event }: Pick<Pending, "event">, name: string, at: Date): boolean => {
      const route = channels.find((channel) => channel.name === name)?.route;
      return route !== undefined && routeOf(route, event.alert, at, timeZone) === "now";
    };
    const isOpenNow = (one: Pending, name: string): boolean => isOpenAt(one, name, now);
    // One that waited for the end of quiet hours has not failed, and was not heard.
    const wasTried = (one: Pending, name: string): boolean => isOpenAt(one, name, one.claimedAt);
    ({ open, events } = advanceAlerts(
      state.open,
      [
        ...looks,
        ofRepository(
          ofAudit,
          lookAtOurselves(state, now, (one, name) => isOpenNow(one, name) && wasTried(one, name), own),
        ),
      ],
      now,
    ));
    const known = withoutUnheard(current(state.pending, now, channels), events);
    const fresh = events
      .map((event) => ({
        event,
        left: channels.filter(({ route }) => matches(route, event.alert)).map(({ name }) => name),
        claimedAt: now,
      }))
      .map((one) =>
        one.event.type === "closed"
          ? { ...one, left: one.left.filter((name) => !isUnheard(state.pending, one.event, name, wasTried)) }
          : one,
      )
      .filter(({ left }) => left.length > 0);
    const isFree = (one: Pending): boolean =>
      Math.abs(now.getTime() - one.claimedAt.getTime()) >= CLAIM_MS && one.left.some((name) => isOpenNow(one, name));
    mine = [...known.filter(isFree).map((one) => ({ ...one, claimedAt: now })), ...fresh];
    const isSame = events.length === 0 && mine.length === 0 && known.length === state.pending.length;
    return isSame ? undefined : { open, pending: [...known.filter((one) => !isFree(one)), ...mine] };
  });
  const deliveries = await tell(context, channels, mine, watch);
  if (deliveries.length > 0) await withdraw(context, mine, deliveries);
  // A channel that has a heartbeat alone was told nothing.
  return { verdict, statuses, open, events, told: deliveries.filter(({ silent }) => silent !== true) };
}

interface Found {
  readonly looks: readonly Look[];
  readonly statuses: readonly SourceStatus[];
  readonly verdict: Verdict;
}

async function look(context: Context, sources: readonly Source[], watch: Watch): Promise<Found> {
  const holders = await holdersOf(context, watch.signal);
  const looks: Look[] = [];
  const statuses: SourceStatus[] = [];
  const verdicts: Verdict[] = [];
  for (const source of sources) {
    try {
      const status = await statusOf(context, source, watch, holders);
      statuses.push(status);
      looks.push({ source: source.name, reasons: status.reasons });
      verdicts.push(status.verdict);
    } catch (error) {
      watch.signal.throwIfAborted();
      verdicts.push("inconclusive");
      watch.progress.note(`${source.name} could not be judged: ${asLifeboatError(error).message}`);
    }
  }
  return { looks, statuses, verdict: worstOf(verdicts) };
}

const ofRepository = (audit: readonly HealthReason[], look: Look): Look => ({ ...look, reasons: [...audit, ...look.reasons] });

/**
 * Tells every channel at once of something that has no end, so that it is never an open alert. A channel that does not take it is tried
 * again by later beats.
 */
export async function announce(context: Context, of: Pick<Alert, "source" | "code" | "message">, watch: Watch): Promise<void> {
  const now = context.clock.now();
  const channels = [...(context.notifiers?.values() ?? [])];
  const alert: Alert = { ...of, severity: "critical", openedAt: now, toldAt: now, reminders: 0 };
  const matching = channels.filter(({ route }) => matches(route, alert));
  const left = (matching.length > 0 ? matching : channels).map(({ name }) => name);
  const mine: readonly Pending[] = [{ event: { type: "opened", alert, at: now }, left, claimedAt: now }];
  const stored = await changeAlerts(context.repository, (state) => ({ ...state, pending: [...state.pending, ...mine] })).then(
    () => true,
    () => false, // it is told all the same
  );
  const deliveries = await tell(context, channels, mine, watch);
  for (const { channel, error } of deliveries) {
    if (error !== undefined) watch.progress.note(`the channel ${channel} was not told: ${error}`);
  }
  if (stored && deliveries.length > 0) await withdraw(context, mine, deliveries);
}

/** What channels of the configuration still have to be told. */
function current(pending: readonly Pending[], now: Date, channels: readonly Channel[]): Pending[] {
  const known = new Set(channels.map(({ name }) => name));
  return pending
    .filter(({ event }) => now.getTime() - event.at.getTime() < STALE_MS)
    .map((one) => ({ ...one, left: one.left.filter((name) => known.has(name)) }))
    .filter(({ left }) => left.length > 0);
}

/** An alert that opened and closed while a channel could not be told is not told there at all. */
function withoutUnheard(pending: readonly Pending[], events: readonly AlertEvent[]): Pending[] {
  const over = new Set(events.filter(({ type }) => type === "closed").map(({ alert }) => identityOf(alert)));
  return pending.filter(({ event }) => !over.has(identityOf(event.alert)));
}

type Tried = (one: Pending, channel: string) => boolean;

/** A channel that was tried may have heard it, although the answer was lost: the end of the alert is told there. */
const isUnheard = (pending: readonly Pending[], { alert }: AlertEvent, channel: string, wasTried: Tried): boolean =>
  pending.some(
    (one) =>
      one.event.type === "opened" &&
      identityOf(one.event.alert) === identityOf(alert) &&
      one.left.includes(channel) &&
      !wasTried(one, channel),
  );

/** A channel that does not take alerts is a finding of its own, which the other channels tell. */
function lookAtOurselves({ pending }: AlertState, now: Date, hasFailed: Tried, own: readonly HealthReason[] | undefined): Look {
  const late = pending.filter(({ claimedAt }) => now.getTime() - claimedAt.getTime() >= CLAIM_MS);
  const names = new Set(late.flatMap((one) => one.left.filter((name) => hasFailed(one, name))));
  return {
    source: null,
    reasons: [
      ...(own ?? []),
      ...[...names].sort().map((name) => ({ code: "NOTIFY_FAILED", message: `the channel ${name} does not take alerts` }) as const),
    ],
    blindTo: own === undefined ? ["CONFIG_REFUSED"] : [],
  };
}

async function tell(
  { clock, timeZone }: Context,
  channels: readonly Channel[],
  mine: readonly Pending[],
  watch: Watch,
): Promise<Delivery[]> {
  const orders = mine.flatMap(({ event, left }) =>
    channels
      .filter(({ name, route }) => left.includes(name) && routeOf(route, event.alert, clock.now(), timeZone) === "now")
      .map((channel) => ({ event, channel })),
  );
  return Promise.all(
    orders.map(async ({ event, channel }) => {
      const { source, code } = event.alert;
      const about = { channel: channel.name, source, code };
      try {
        const { send } = await channel.notifier();
        await send?.(messageOf(event), { signal: watch.signal });
        return { ...about, silent: send === undefined };
      } catch (error) {
        watch.signal.throwIfAborted();
        return { ...about, error: asLifeboatError(error).message };
      }
    }),
  );
}

/** A command alone can be pasted as it is. */
const instructionOf = ({ text, commands }: NextAction): string => (text === `run \`${commands[0]}\`` ? (commands[0] ?? text) : text);

const messageOf = (event: AlertEvent) => {
  const { type, alert, at } = event;
  const { source, code, severity, openedAt } = alert;
  return {
    identity: `lifeboat/${identityOf(alert)}`,
    event: type,
    ...{ severity, source, code, at },
    title: code,
    message: alertInWords(event),
    since: openedAt,
    next: type === "closed" || !isHealthCode(code) ? undefined : instructionOf(nextOfFinding(code, source)),
  };
};

/** Removes the deliveries that succeeded from the state. The others stay for the next beat. */
async function withdraw({ repository }: Context, mine: readonly Pending[], told: readonly Delivery[]): Promise<void> {
  const done = new Set(told.filter(({ error }) => error === undefined).map((one) => `${one.channel} ${identityOf(one)}`));
  const own = new Set(mine.map(({ event }) => eventKey(event)));
  await changeAlerts(repository, (state) => ({
    ...state,
    pending: state.pending.flatMap((one) => {
      if (!own.has(eventKey(one.event))) return [one];
      const left = one.left.filter((name) => !done.has(`${name} ${identityOf(one.event.alert)}`));
      return left.length === 0 ? [] : [{ ...one, left }];
    }),
  }));
}

const identityOf = ({ source, code }: { readonly source: string | null; readonly code: string }): string => `${source ?? ""}/${code}`;
const eventKey = ({ type, at, alert }: AlertEvent): string => `${type} ${at.toISOString()} ${identityOf(alert)}`;

/** Tells the dead-man monitors that a beat is complete. */
export async function heartbeat({ notifiers }: Context, isWell: boolean, { signal, progress }: Watch): Promise<void> {
  await Promise.all(
    [...(notifiers?.values() ?? [])].map(async (channel) => {
      try {
        await (await channel.notifier()).heartbeat?.(isWell ? "ok" : "fail", { signal });
      } catch (error) {
        signal.throwIfAborted();
        progress.note(`the heartbeat of ${channel.name} failed: ${asLifeboatError(error).message}`);
      }
    }),
  );
}

/** The open alerts, as the last beat stored them. */
export const openAlerts = async ({ repository }: Context, signal: AbortSignal): Promise<readonly Alert[]> =>
  (await readAlerts(repository, signal)).open;
