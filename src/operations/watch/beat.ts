// A beat: one look at every source, the alerts that it opens and closes, and the channels that are told. The state is stored before a
// channel is told and again afterwards. So a crash in between repeats an alert and never loses one, and of two machines one tells it.
import { type Alert, alertIdentity, hiddenFrom, type Look } from "../../core/alerts.ts";
import { asLifeboatError, isLifeboatError, type LifeboatError } from "../../core/errors.ts";
import { isUntilFirst } from "../../core/first-backup.ts";
import type { HealthReason } from "../../core/health.ts";
import { type HealthCode, verdictOf } from "../../core/monitors.ts";
import { matches } from "../../core/routes.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { Channel } from "../../ports/notifier.ts";
import { isRefusal } from "../../ports/storage.ts";
import { changeAlerts, type Pending, readAlerts } from "../../repository/alerts.ts";
import { isAway } from "../../repository/away.ts";
import { readAll } from "../../repository/read-all.ts";
import { sweepSealed } from "../approval/sealed.ts";
import { witnessAudit } from "../audit/witness.ts";
import type { Context, Source, Watch } from "../context.ts";
import { placesOf } from "../jobs/holders.ts";
import { worstOf } from "../operation.ts";
import { lookAtWork } from "../work/look.ts";
import { advance, type Found, listenersOf, type Told } from "./advance.ts";
import { keepLooks, repositoryJson } from "./looks.ts";
import { repositoryReasons } from "./repository-status.ts";
import { sharedOf } from "./shared.ts";
import { type SourceStatus, statusOf, storedOf } from "./status.ts";
import { sourceJson } from "./status-json.ts";
import { settle, tell } from "./tell.ts";

export interface Beat extends Omit<Told, "withheld"> {
  readonly verdict: Verdict;
  /** The codes of what was found of each source, and under null of the repository and the machine. */
  readonly codes: ReadonlyMap<string | null, readonly HealthCode[]>;
  /** Nothing critical was found, apart from first backups that are still being made. */
  readonly isWell: boolean;
  /** Of every source that could be judged. */
  readonly statuses: readonly SourceStatus[];
}

/** `own`: findings about the caller itself. Absent: it is not a service, and their alerts stay as they are. */
export async function beat(context: Context, sources: readonly Source[], watch: Watch, own?: readonly HealthReason[]): Promise<Beat> {
  const found = await look(context, sources, watch);
  const { looks } = found;
  looks.push({ source: null, reasons: own ?? [], blindTo: own === undefined ? ["CONFIG_REFUSED"] : [] });
  if (found.away === undefined && context.repository.trust.writer !== undefined) {
    try {
      const done = await advanceHere(context, found, watch);
      await sweepSealed(context, watch).catch((error: unknown) =>
        watch.progress.note(`sealed plans of approvals were not looked at: ${asLifeboatError(error).message}`),
      );
      return beatOf(found, done);
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
  const told = await advance(context, await context.aside.open(), beside, watch);
  // What the repository knows to be open still is.
  return beatOf(found, { ...told, open: eachOnce([...(stored?.open ?? []), ...told.open]) });
}

function beatOf({ verdict, statuses, looks }: Found, { withheld, ...told }: Told): Beat {
  const isAlarm = (source: string | null, code: HealthCode): boolean =>
    verdictOf(code) === "fail" && !(source !== null && withheld.has(source) && isUntilFirst(code));
  const bySource = Map.groupBy(looks, ({ source }) => source);
  const codes = new Map(
    [...bySource].map(([source, of]) => [source, of.flatMap(({ reasons }) => reasons.map(({ code }) => code))] as const),
  );
  const isFail = [...codes.values()].flat().some((code) => verdictOf(code) === "fail");
  const isWell = !looks.some(({ source, reasons }) => reasons.some(({ code }) => isAlarm(source, code)));
  // That the state of alerts cannot be stored was found after the verdict.
  return { verdict: isFail ? "fail" : verdict, codes, isWell, statuses, ...told };
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
    for (const { source, verdict, reasons, firstBackup } of statuses) {
      const parked = work.parked.get(source.name) ?? [];
      looks.push({ source: source.name, reasons: [...reasons, ...parked], blindTo: work.blindTo, firstBackup });
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
  return eachOnce(states.flatMap(({ open }) => open));
}

const eachOnce = (alerts: readonly Alert[]): Alert[] => [...new Map(alerts.map((alert) => [alertIdentity(alert), alert])).values()];

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
