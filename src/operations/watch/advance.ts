// Moves the state of the alerts on by what was found, and tells channels. The state is stored before a channel is told and again
// afterwards.
import { type Alert, type AlertEvent, advanceAlerts, alertIdentity, haveSameCauses, type Look } from "../../core/alerts.ts";
import type { LifeboatError } from "../../core/errors.ts";
import { withholdFirst } from "../../core/first-backup.ts";
import type { Observed } from "../../core/protection.ts";
import type { Verdict } from "../../core/verdict.ts";
import { type AlertState, changeAlerts, type Pending, type Troubled } from "../../repository/alerts.ts";
import type { Repository } from "../../repository/repository.ts";
import type { Context, Watch } from "../context.ts";
import type { Delivery } from "./deliver.ts";
import type { SourceStatus } from "./status.ts";
import { claim, type Listeners, settle, tell } from "./tell.ts";

export interface Found {
  readonly looks: Look[];
  readonly verdict: Verdict;
  readonly statuses: readonly SourceStatus[];
  /** Why the repository cannot be read. */
  readonly away?: LifeboatError | undefined;
}

export interface Told {
  readonly open: readonly Alert[];
  /** The changes of this look. */
  readonly events: readonly AlertEvent[];
  /** Every delivery that was tried, with the reason of one that failed. */
  readonly told: readonly Delivery[];
  /** Sources whose missing backup does not alarm yet. */
  readonly withheld: ReadonlySet<string>;
}

/** A channel that fails may make another one speak at once; what that one says is told in the same beat. */
const ROUNDS = 3;
/** How long more rounds may begin, where there is more to tell than one takes. The next beat continues. */
const TELLING_MS = 60_000;

/** `place`: where the state is. `kept`: a state that this one takes over. */
export async function advance(
  context: Context,
  place: Repository,
  { looks, statuses }: Found,
  watch: Watch,
  kept?: AlertState,
): Promise<Told> {
  const { clock } = context;
  const listeners = listenersOf(context);
  const events: AlertEvent[] = [];
  const told: Delivery[] = [];
  let open: readonly Alert[] = [];
  let mine: readonly Pending[] = [];
  let withheld: ReadonlySet<string> = new Set();
  /** Changes the state by `before`, judges, and claims what is to be told. */
  const change = async (before: (state: AlertState, now: Date) => AlertState, begins = true): Promise<void> => {
    let fresh: readonly AlertEvent[] = [];
    await changeAlerts(place, (stored) => {
      const now = clock.now();
      const state = before(stored, now);
      const first = withholdFirst(looks, state.open, state.awaited, now);
      const advanced = advanceAlerts(state.open, withChannels(first.looks, state.troubled, listeners), now);
      const claimed = claim(state.pending, advanced.events, listeners, now, begins);
      fresh = advanced.events;
      ({ open } = advanced);
      ({ mine } = claimed);
      ({ withheld } = first);
      const isSame =
        state === stored &&
        fresh.length + mine.length === 0 &&
        claimed.pending.length === stored.pending.length &&
        first.isSame &&
        haveSameCauses(open, stored.open);
      return isSame ? undefined : { ...state, open, pending: claimed.pending, awaited: first.awaited };
    });
    events.push(...fresh);
  };
  await change((state) => observedIn(kept === undefined ? state : takenOver(state, kept), statuses));
  const untilMs = clock.monotonicMs() + TELLING_MS;
  for (let round = 1; mine.length > 0; round++) {
    const began = mine;
    const deliveries = await tell(listeners, began, clock.now(), watch);
    told.push(...deliveries);
    const goesOn = deliveries.length > 0 && !watch.signal.aborted && (round < ROUNDS || clock.monotonicMs() < untilMs);
    await change((state, now) => settle(state, began, deliveries, now), goesOn);
  }
  watch.signal.throwIfAborted();
  // A channel that has a heartbeat alone was told nothing.
  return { open, events, told: told.filter(({ silent }) => silent !== true), withheld };
}

/** A channel that does not take alerts is a finding of its own, which the other channels tell. */
function withChannels(looks: readonly Look[], troubled: readonly Troubled[], { channels }: Listeners): Look[] {
  const known = new Set(channels.map(({ name }) => name));
  const reasons = troubled
    .filter(({ channel }) => known.has(channel))
    .map(({ channel, message: why }) => {
      const message = `the channel ${channel} does not take alerts: ${why}`;
      return { code: "NOTIFY_FAILED" as const, about: channel, message };
    });
  const [ours = [], others = []] = [true, false].map((isOurs) => looks.filter(({ source }) => (source === null) === isOurs));
  const blindTo = ours.flatMap((one) => one.blindTo ?? []);
  return [...others, { source: null, reasons: [...ours.flatMap((one) => one.reasons), ...reasons], blindTo }];
}

export const listenersOf = ({ notifiers, timeZone }: Context): Listeners => ({
  channels: [...(notifiers?.values() ?? [])],
  timeZone: timeZone(),
});

/**
 * What protects each source now is what the next beat compares with. The same state when nothing has changed. Sources that are not judged
 * here are kept: another machine may judge them.
 */
function observedIn(state: AlertState, statuses: readonly SourceStatus[]): AlertState {
  const judged = new Map(
    statuses.flatMap(({ source, provider }) => (provider?.observed === undefined ? [] : [[source.name, provider.observed] as const])),
  );
  const kept = state.observed.filter(({ source }) => !judged.has(source));
  const seen = [...judged].flatMap(([source, protections]) => protections.map((one): Observed => ({ source, ...one })));
  const observed = [...kept, ...seen].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return JSON.stringify(observed) === JSON.stringify(state.observed) ? state : { ...state, observed };
}

const keyOf = ({ source, kind }: Observed): string => `${source}/${kind}`;

/** The same state when nothing was kept. */
function takenOver(state: AlertState, { open, pending }: AlertState): AlertState {
  if (open.length + pending.length === 0) return state;
  const known = new Set(state.open.map(alertIdentity));
  const others = open.filter((alert) => !known.has(alertIdentity(alert)));
  return { ...state, open: [...state.open, ...others], pending: [...state.pending, ...pending] };
}
