// The monitor: a beat every so often, by the same functions as `tick` and `status`. Its last judgement is what health and metrics answer.
import { alertInWords } from "../core/alerts.ts";
import { beat, heartbeat } from "../operations/watch/beat.ts";
import type { Judgement, Service } from "./service.ts";
import { workContext } from "./work-context.ts";

/** Beats that may fail to come before the judgement counts for nothing. */
const MISSED = 3;
/** The least age at which a judgement counts for nothing: a beat of many sources takes time itself. */
const LEAST_AGE_MS = 180_000;

/** One beat of all sources. Channels and dead-man monitors are told. `keep` receives what was found before the log does. */
export function judge(service: Service, keep: (judgement: Judgement) => void): Promise<void> {
  const { clock, log, signal, refusal } = service;
  return service.use(async (composed) => {
    const context = workContext(service, composed, signal);
    const beganMs = clock.monotonicMs();
    const refused = refusal();
    const own = refused === undefined ? [] : [{ code: "CONFIG_REFUSED" as const, message: refused }];
    const found = await beat(context, [...context.sources.values()], context, own);
    const judged = new Map(found.statuses.map((status) => [status.source.name, status]));
    keep({
      at: clock.now(),
      durationMs: clock.monotonicMs() - beganMs,
      verdict: found.verdict,
      sources: new Map([...context.sources.keys()].map((name) => [name, judged.get(name)])),
      codes: found.codes,
      open: found.open,
    });
    for (const event of found.events) {
      const { type, alert } = event;
      const isOver = type === "closed";
      const line = `alert ${type}: ${isOver ? alertInWords(event) : alert.message}`;
      log[isOver ? "info" : "warn"](line, { source: alert.source, code: alert.code, severity: alert.severity });
    }
    const failed = found.told.flatMap(({ channel, error }) =>
      error === undefined ? [] : [`the channel ${channel} did not take an alert: ${error}`],
    );
    for (const [line, { length }] of Map.groupBy(failed, (one) => one)) log.warn(line, { alerts: length });
    await heartbeat(context, found.isWell, context);
  });
}

/** A judgement that is too old says nothing about the present. */
export function isOverdue(service: Service, { at }: Pick<Judgement, "at">): boolean {
  return ageMsOf(service, at) > Math.max(LEAST_AGE_MS, MISSED * service.config().server.beatMs);
}

export const ageMsOf = ({ clock }: Pick<Service, "clock">, at: Date): number => Math.max(0, clock.now().getTime() - at.getTime());
