// A beat: one look at every source, the alerts that it opens and closes, and the channels that are told. The state is stored before a
// channel is told and again afterwards. So a crash in between repeats an alert and never loses one, and of two machines one tells it.
import { type Alert, type AlertEvent, advanceAlerts, alertIdentity, hiddenFrom, type Look } from "../../core/alerts.ts";
import { asLifeboatError, isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import type { HealthReason } from "../../core/health.ts";
import { verdictOf } from "../../core/monitors.ts";
import type { Observed } from "../../core/protection.ts";
import { matches } from "../../core/routes.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { Channel } from "../../ports/notifier.ts";
import { isRefusal } from "../../ports/storage.ts";
import { type AlertState, changeAlerts, type Pending, readAlerts, type Troubled } from "../../repository/alerts.ts";
import { isAway } from "../../repository/away.ts";
import { readAll } from "../../repository/read-all.ts";
import type { Repository } from "../../repository/repository.ts";
import { sweepSealed } from "../approval/sealed.ts";
import { witnessAudit } from "../audit/witness.ts";
import type { Context, Source, Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { worstOf } from "../operation.ts";
import { lookAtWork } from "../work/look.ts";
import type { Delivery } from "./deliver.ts";
import { keepLooks, repositoryJson } from "./looks.ts";
import { repositoryReasons } from "./repository-status.ts";
import { sharedOf } from "./shared.ts";
import { type SourceStatus, statusOf, storedOf } from "./status.ts";
import { sourceJson } from "./status-json.ts";
import { claim, type Listeners, settle, tell } from "./tell.ts";

export type { Delivery } from "./deliver.ts";

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

/** `own`: findings about the caller itself. Absent: it is not a service, and their alerts stay as they are. */
export async function beat(context: Context, sources: readonly Source[], watch: Watch, own?: readonly HealthReason[]): Promise<Beat> {
  const found = await look(context, sources, watch);
  const { verdict, statuses, looks } = found;
  looks.push({ source: null, reasons: own ?? [], blindTo: own === undefined ? ["CONFIG_REFUSED"] : [] });
  if (found.away === undefined && context.repository.trust.writer !== undefined) {
    try {
      const done = await advanceHere(context, found, watch);
      await sweepSealed(context, watch).catch((error: unknown) =>
        watch.progress.note(`sealed plans of approvals were not looked at: ${asLifeboatError(error).message}`),
      );
      return { verdict, statuses, ...done };
    } catch (error) {
      if (!isAway(error) && !isRefusal(error)) throw error;
      // That nothing can be stored may have been found already, with its own next step.
      if (!looks.some(({ reasons }) => reasons.some(({ code }) => code === "REPOSITORY_FILLING"))) looks.push(unreachable(error));
    }
  }
  // The state cannot be written where other machines read it: this one remembers for itself, so that it still tells.
  if (context.aside === undefined) throw found.away ?? new Error("the state of alerts cannot be written");
  const stored = found.away === undefined ? await readAlerts(context.repository, watch.signal).catch(() => undefined) : undefined;
  const beside = { ...found, looks: withoutKnown(looks, stored?.open ?? []) };
  return { verdict, statuses, ...(await advance(context, await context.aside.open(), beside, watch)) };
}

/** Advances the alerts of the repository, which take over what this machine remembered for itself while it could not write there. */
async function advanceHere(context: Context, found: Found, watch: Watch): Promise<Told> {
  const { repository, aside } = context;
  const place = await aside?.find();
  const kept = place && (await readAlerts(place, watch.signal));
  const left = leftSources(context);
  const looks = [...found.looks, ...left.map((source): Look => ({ source, reasons: [], unwatched: true }))];
  const told = await advance(context, repository, { ...found, looks }, watch, kept);
  if (place !== undefined && kept !== undefined && kept.open.length + kept.pending.length > 0)
    await changeAlerts(place, (state) => ({ ...state, open: [], pending: [] }));
  watched(context);
  return told;
}

/** What is known to be open was told, and is closed from where it is stored. */
function withoutKnown(looks: readonly Look[], open: readonly Alert[]): Look[] {
  const known = new Set(open.map(alertIdentity));
  const isNew = (source: string | null, reason: HealthReason): boolean => !known.has(alertIdentity({ source, ...reason }));
  return looks.map((one) => ({ ...one, blindTo: hiddenFrom(one), reasons: one.reasons.filter((reason) => isNew(one.source, reason)) }));
}

const watchedIn = (file: string): string => `watched ${file}`;

/** Sources that this configuration file named at the last beat on this machine, and no longer names. */
function leftSources({ configurationFile, repository: { memory }, sources }: Context): string[] {
  const before = configurationFile === undefined ? undefined : memory.text(watchedIn(configurationFile));
  return (before ?? "").split(" ").filter((name) => name !== "" && !sources.has(name));
}

function watched({ configurationFile, repository: { memory }, sources }: Context): void {
  if (configurationFile === undefined) return;
  const names = [...sources.keys()].join(" ");
  if (memory.text(watchedIn(configurationFile)) !== names) memory.seeText(watchedIn(configurationFile), names);
}

interface Found {
  readonly looks: Look[];
  readonly verdict: Verdict;
  readonly statuses: readonly SourceStatus[];
  /** Why the repository cannot be read. */
  readonly away?: LifeboatError | undefined;
}

const unreachable = ({ message }: LifeboatError): Look => ({ source: null, reasons: [{ code: "REPOSITORY_UNREACHABLE", message }] });

async function look(context: Context, sources: readonly Source[], watch: Watch): Promise<Found> {
  const judged = new Map<Source, SourceStatus>();
  const inOrder = (): SourceStatus[] => sources.flatMap((source) => judged.get(source) ?? []);
  const at = context.clock.now();
  try {
    const shared = await sharedOf(context, watch.signal);
    const work = await lookAtWork(context, watch);
    await readAll(sources, async (source) => {
      try {
        judged.set(source, await statusOf(context, source, watch, shared));
      } catch (error) {
        watch.signal.throwIfAborted();
        if (isAway(error)) throw error;
        watch.progress.note(`${source.name} could not be judged: ${asLifeboatError(error).message}`);
      }
    });
    const statuses = inOrder();
    const looks: Look[] = [];
    const verdicts: Verdict[] = statuses.length < sources.length ? ["inconclusive"] : [];
    for (const { source, verdict, reasons } of statuses) {
      const parked = work.parked.get(source.name) ?? [];
      looks.push({ source: source.name, reasons: [...reasons, ...parked], blindTo: work.blindTo });
      verdicts.push(verdict, ...parked.map(({ code }) => verdictOf(code)));
    }
    const ofRepository = await repositoryReasons(context, storedOf(statuses), watch);
    const isWhole = statuses.length === context.sources.size;
    await keepLooks(context, { at, repository: isWhole ? repositoryJson(ofRepository) : undefined, sources: statuses.map(sourceJson) });
    const reasons = [...ofRepository, ...(await witnessAudit(context, watch.signal)), ...work.queue];
    // The free space was compared with the backups of the sources that were judged.
    looks.push({ source: null, reasons, blindTo: isWhole ? [] : ["REPOSITORY_FILLING"] });
    verdicts.push(...reasons.map(({ code }) => verdictOf(code)));
    return { looks, statuses, verdict: worstOf(verdicts) };
  } catch (error) {
    if (!isAway(error)) throw error;
    return { looks: [unreachable(error)], statuses: inOrder(), verdict: "fail", away: error };
  }
}

type Told = Omit<Beat, "verdict" | "statuses">;

/** A channel that fails may make another one speak at once; what that one says is told in the same beat. */
const ROUNDS = 3;
/** How long more rounds may begin, where there is more to tell than one takes. The next beat continues. */
const TELLING_MS = 60_000;

async function advance(context: Context, place: Repository, { looks, statuses }: Found, watch: Watch, kept?: AlertState): Promise<Told> {
  const { clock } = context;
  const listeners = listenersOf(context);
  const events: AlertEvent[] = [];
  const told: Delivery[] = [];
  let open: readonly Alert[] = [];
  let mine: readonly Pending[] = [];
  /** Changes the state by `before`, judges, and claims what is to be told. */
  const change = async (before: (state: AlertState, now: Date) => AlertState, begins = true): Promise<void> => {
    let fresh: readonly AlertEvent[] = [];
    await changeAlerts(place, (stored) => {
      const now = clock.now();
      const state = before(stored, now);
      const advanced = advanceAlerts(state.open, withChannels(looks, state.troubled, listeners), now);
      const claimed = claim(state.pending, advanced.events, listeners, now, begins);
      fresh = advanced.events;
      ({ open } = advanced);
      ({ mine } = claimed);
      const isSame = state === stored && fresh.length === 0 && mine.length === 0 && claimed.pending.length === stored.pending.length;
      return isSame ? undefined : { ...state, open, pending: claimed.pending };
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
  return { open, events, told: told.filter(({ silent }) => silent !== true) };
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

/**
 * Tells every channel at once of something that has no end, so that it is never an open alert. A channel that does not take it is tried
 * again by later beats.
 */
export async function announce(context: Context, of: Pick<Alert, "source" | "code" | "message">, watch: Watch): Promise<void> {
  const now = context.clock.now();
  const configured = listenersOf(context);
  const alert: Alert = { ...of, severity: "critical", openedAt: now, toldAt: now, reminders: 0 };
  const matching = configured.channels.filter(({ route }) => matches(route, alert));
  // Where no channel receives alerts like this one, all are told: it must not be silent.
  const listeners =
    matching.length > 0 ? { ...configured, channels: matching } : { ...configured, channels: configured.channels.map(toldAll) };
  const left = listeners.channels.map(({ name }) => name);
  const mine: readonly Pending[] = [{ event: { type: "opened", alert, at: now }, left, claimedAt: now }];
  const stored = await changeAlerts(context.repository, (state) => ({ ...state, pending: [...state.pending, ...mine] })).then(
    () => true,
    () => false, // it is told nevertheless
  );
  const deliveries = await tell(listeners, mine, now, watch);
  for (const { channel, error } of deliveries) {
    if (error !== undefined) watch.progress.note(`the channel ${channel} was not told: ${error}`);
  }
  if (!stored || deliveries.length === 0) return;
  await changeAlerts(context.repository, (state) => settle(state, mine, deliveries, context.clock.now())).catch((error: unknown) =>
    watch.progress.note(`channels may be told again: ${asLifeboatError(error).message}`),
  );
}

const toldAll = (channel: Channel): Channel => ({ ...channel, route: { sources: [], severities: [] } });

const listenersOf = ({ notifiers, timeZone }: Context): Listeners => ({ channels: [...(notifiers?.values() ?? [])], timeZone: timeZone() });

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
export async function openAlerts(context: Context, signal: AbortSignal): Promise<readonly Alert[]> {
  const states = await Promise.all((await placesOf(context)).map((place) => readAlerts(place, signal)));
  return [...new Map(states.flatMap(({ open }) => open).map((alert) => [alertIdentity(alert), alert])).values()];
}

/** The channel took a message: it is no longer in trouble. */
export async function channelWorks(context: Context, names: ReadonlySet<string>): Promise<void> {
  for (const place of await placesOf(context)) {
    await changeAlerts(place, (state) => {
      const troubled = state.troubled.filter(({ channel }) => !names.has(channel));
      return troubled.length === state.troubled.length ? undefined : { ...state, troubled };
    }).catch((error: unknown) => {
      if (!isLifeboatError(error, "KEY_MISSING")) throw error;
    });
  }
}
