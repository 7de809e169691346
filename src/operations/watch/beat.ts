// A beat: one look at every source, what it opens and closes, and the channels told. State is committed before a channel is told, and
// withdrawn afterwards: a crash in between tells a channel twice, and never not at all. Two machines do not tell the same thing.
import { type Alert, type AlertEvent, advanceAlerts, type Look } from "../../core/alerts.ts";
import { asLifeboatError } from "../../core/errors.ts";
import type { Verdict } from "../../core/verdict.ts";
import { type AlertState, changeAlerts, type Pending, readAlerts } from "../../repository/alerts.ts";
import type { Channel, Context, Source, Watch } from "../context.ts";
import { holdersOf } from "../jobs/holders.ts";
import { worstOf } from "../operation.ts";
import { statusOf } from "./status.ts";

export interface Beat {
  readonly verdict: Verdict;
  readonly open: readonly Alert[];
  /** What changed with this look. */
  readonly events: readonly AlertEvent[];
  /** What each channel that had to be told was told, or why not. */
  readonly told: readonly { readonly channel: string; readonly source: string | null; readonly code: string; readonly error?: string }[];
}

/** How long another machine is given to tell what it began to tell. */
const CLAIM_MS = 120_000;
/** After so long a channel is given up for an event: what it would say is no longer news. */
const STALE_MS = 24 * 3_600_000;

export async function beat(context: Context, sources: readonly Source[], watch: Watch): Promise<Beat> {
  const { repository, clock, channels = [] } = context;
  const holders = await holdersOf(context, watch.signal);
  const looks: Look[] = [];
  const verdicts: Verdict[] = [];
  for (const source of sources) {
    try {
      const { verdict, reasons } = await statusOf(context, source, watch, holders);
      looks.push({ source: source.name, reasons });
      verdicts.push(verdict);
    } catch (error) {
      watch.signal.throwIfAborted();
      verdicts.push("inconclusive");
      watch.progress.note(`${source.name} could not be judged: ${asLifeboatError(error).message}`);
    }
  }
  let events: readonly AlertEvent[] = [];
  let mine: readonly Pending[] = [];
  let open: readonly Alert[] = [];
  await changeAlerts(repository, (state) => {
    const now = clock.now();
    const next = advanceAlerts(state.open, [...looks, channelsLook(state, now)], now);
    ({ open, events } = next);
    const [waiting, free] = claim(state.pending, now, channels);
    const fresh = events.map((event) => ({ event, left: wanting(channels, event), claimedAt: now })).filter(({ left }) => left.length > 0);
    mine = [...free, ...fresh];
    const isSame = events.length === 0 && mine.length === 0 && waiting.length === state.pending.length;
    return isSame ? undefined : { open, pending: [...waiting, ...mine] };
  });
  const told = await tell(channels, mine, watch);
  if (mine.length > 0) await withdraw(context, mine, told);
  return { verdict: worstOf(verdicts), open, events, told };
}

const wanting = (channels: readonly Channel[], event: AlertEvent): string[] =>
  channels.filter((channel) => channel.wants(event)).map(({ name }) => name);

/** Those that another process tells right now, and those that this one takes over. What is stale, or of no channel, is dropped. */
function claim(pending: readonly Pending[], now: Date, channels: readonly Channel[]): [waiting: Pending[], free: Pending[]] {
  const known = new Set(channels.map(({ name }) => name));
  const news = pending
    .filter(({ event }) => now.getTime() - event.at.getTime() < STALE_MS)
    .map((one) => ({ ...one, left: one.left.filter((name) => known.has(name)) }))
    .filter(({ left }) => left.length > 0);
  const isFree = ({ claimedAt }: Pending): boolean => Math.abs(now.getTime() - claimedAt.getTime()) >= CLAIM_MS;
  return [news.filter((one) => !isFree(one)), news.filter(isFree).map((one) => ({ ...one, claimedAt: now }))];
}

/** A channel that could not be told is a finding of its own: the others tell it. */
function channelsLook({ pending }: AlertState, now: Date): Look {
  const late = pending.filter(({ claimedAt }) => now.getTime() - claimedAt.getTime() >= CLAIM_MS);
  const names = [...new Set(late.flatMap(({ left }) => left))].sort();
  const reasons = names.map((name) => ({ code: "NOTIFY_FAILED" as const, message: `the channel ${name} could not be told of an alert` }));
  return { source: null, reasons };
}

async function tell(channels: readonly Channel[], pending: readonly Pending[], watch: Watch): Promise<Beat["told"]> {
  const orders = pending.flatMap(({ event, left }) =>
    channels.filter(({ name }) => left.includes(name)).map((channel) => ({ event, channel })),
  );
  return Promise.all(
    orders.map(async ({ event, channel }) => {
      const { source, code } = event.alert;
      const about = { channel: channel.name, source, code };
      try {
        await channel.tell(event, { signal: watch.signal });
        return about;
      } catch (error) {
        watch.signal.throwIfAborted();
        return { ...about, error: asLifeboatError(error).message };
      }
    }),
  );
}

/** Removes from the state what was told; what was not stays for the next beat. */
async function withdraw({ repository }: Context, mine: readonly Pending[], told: Beat["told"]): Promise<void> {
  const failed = new Set(told.flatMap((one) => (one.error === undefined ? [] : [keyOf(one.channel, one)])));
  const own = new Set(mine.map(({ event }) => eventKey(event)));
  await changeAlerts(repository, (state) => ({
    ...state,
    pending: state.pending.flatMap((one) => {
      if (!own.has(eventKey(one.event))) return [one];
      const left = one.left.filter((name) => failed.has(keyOf(name, one.event.alert)));
      return left.length === 0 ? [] : [{ ...one, left }];
    }),
  }));
}

const keyOf = (channel: string, { source, code }: { readonly source: string | null; readonly code: string }): string =>
  `${channel} ${source ?? ""}/${code}`;
const eventKey = ({ type, at, alert: { source, code } }: AlertEvent): string => `${type} ${at.toISOString()} ${source ?? ""}/${code}`;

/** The alerts that are open, as the last beat left them. */
export const openAlerts = async ({ repository }: Context, signal: AbortSignal): Promise<readonly Alert[]> =>
  (await readAlerts(repository, signal)).open;
