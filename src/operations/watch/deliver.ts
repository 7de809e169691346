// Sends what one channel is due: more than a few alerts with the same event as one message where the channel has such messages, otherwise
// each by itself, a few at a time.
import { type AlertEvent, alertIdentity, alertInWords } from "../../core/alerts.ts";
import { asLifeboatError } from "../../core/errors.ts";
import { instructionOf } from "../../core/hints.ts";
import { isHealthCode, nextOfFinding } from "../../core/monitors.ts";
import { SEVERITIES } from "../../core/routes.ts";
import type { Alert, AlertGroup, Channel } from "../../ports/notifier.ts";

export interface Delivery {
  readonly channel: string;
  readonly event: AlertEvent;
  readonly error?: string | undefined;
  /** The service rejected it: the same event is not tried again. */
  readonly refused?: boolean | undefined;
  /** The channel takes no alerts. */
  readonly silent?: boolean | undefined;
  /** It was told to stop in the middle: what arrived is not known. */
  readonly interrupted?: boolean | undefined;
}

/** More alerts than this are one message. */
const FEW = 5;
/** How many requests one service has at a time. */
const AT_ONCE = 4;
/** Single messages to one channel before the state is stored: a crash repeats no more of them. */
const MOST_SINGLE = 100;

type Outcome = Omit<Delivery, "channel" | "event">;

/**
 * Delivers the events, the most severe first. A failure is a result, not an error. Once the service cannot be reached, the rest has failed
 * with it; what is absent from the results was not tried, because the signal aborted or there is too much for one turn.
 */
export async function deliver(
  { name, notifier }: Pick<Channel, "name" | "notifier">,
  events: readonly AlertEvent[],
  signal: AbortSignal,
): Promise<Delivery[]> {
  const sorted = [...events].sort((a, b) => SEVERITIES.indexOf(a.alert.severity) - SEVERITIES.indexOf(b.alert.severity));
  const told: Delivery[] = [];
  let unreachable: string | undefined;
  const send = async (some: readonly AlertEvent[], sending: () => Promise<Outcome>): Promise<void> => {
    if (signal.aborted) return;
    const outcome = unreachable === undefined ? await sending().catch((error: unknown) => failed(error, signal)) : { error: unreachable };
    if (outcome.refused === false) unreachable = outcome.error;
    told.push(...some.map((event) => ({ channel: name, event, ...outcome })));
  };

  let ready: Awaited<ReturnType<Channel["notifier"]>>;
  try {
    ready = await notifier();
  } catch (error) {
    await send(sorted, () => Promise.reject(error));
    return told;
  }
  const { sendGroup } = ready;
  const groups = sendGroup === undefined ? [] : [...Map.groupBy(sorted, ({ type }) => type).values()].filter(({ length }) => length > FEW);
  for (const group of groups) {
    await send(group, async () => {
      await sendGroup?.(groupOf(group), { signal });
      return {};
    });
  }
  const grouped = new Set(groups.flat());
  const single = sorted.filter((event) => !grouped.has(event));
  const turn = single.slice(0, ready.send === undefined ? undefined : MOST_SINGLE);
  const queue = turn.values();
  const lane = async (): Promise<void> => {
    for (const event of queue) {
      await send([event], async () => {
        await ready.send?.(messageOf(event), { signal });
        return { silent: ready.send === undefined };
      });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  const error = unreachable;
  if (error !== undefined) await send(single.slice(turn.length), async () => ({ error }));
  return told;
}

function failed(error: unknown, signal: AbortSignal): Outcome {
  if (signal.aborted) return { interrupted: true };
  const { code, message } = asLifeboatError(error);
  return { error: message, refused: code === "NOTIFY_REFUSED" };
}

function groupOf(events: readonly AlertEvent[]): AlertGroup {
  const [{ type = "opened", at = new Date(0) } = {}] = events;
  const sources = new Set(events.map(({ alert: { source } }) => source));
  const [only] = sources;
  return {
    event: type,
    alerts: events.map(messageOf),
    at: new Date(Math.max(at.getTime(), ...events.map((event) => event.at.getTime()))),
    next: sources.size === 1 && only ? `lifeboat status ${only}` : "lifeboat status",
  };
}

const messageOf = (event: AlertEvent): Alert => {
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
