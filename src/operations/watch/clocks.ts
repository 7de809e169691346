// What time it is. A machine whose clock is wrong takes everything for expired, or dates what it makes in the future: so its clock is
// compared with the storage's and with the database's, wherever an instant decides what is removed or called fresh.
import { formatDuration, formatInstant } from "../../core/duration.ts";
import type { HealthReason } from "../../core/health.ts";
import { isInFuture } from "../../core/restore-point.ts";
import type { DatabaseFacts } from "../../ports/connection.ts";
import type { Context, Source, Watch } from "../context.ts";

/** From here on a clock that differs is named: certificates, signatures of requests and schedules go by it. */
export const CLOCK_LIMIT_MS = 30_000;

export interface Clocks {
  readonly here: Date;
  readonly storage: Date;
  /** Absent: the database could not be asked, or tells no time. */
  readonly database?: Date | undefined;
}

/** How long a database is waited for. */
export const REACH_MS = 10_000;

/** The facts that the source tells of itself now, or the error why not. Its clock is `facts.now`, read against `here`. */
export async function ask(source: Source, { signal }: Pick<Watch, "signal">): Promise<DatabaseFacts> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(REACH_MS)]);
  return source.engine.inspect(await source.provider.connection({ signal: limited }), { signal: limited });
}

/** Asks all of them. A database that does not answer is left out; so is one that its provider would have to wake for it. */
export async function readClocks(context: Context, source: Source, watch: Watch): Promise<Clocks> {
  const facts = source.managed === true ? undefined : await ask(source, watch).catch(() => undefined);
  watch.signal.throwIfAborted();
  const here = context.clock.now();
  return { here, database: facts?.now, storage: await context.repository.storage.now({ signal: watch.signal }) };
}

/** The latest of them: what is later than this is in the future by every clock. */
export function latestOf({ here, storage, database }: Clocks): Date {
  return new Date(Math.max(here.getTime(), storage.getTime(), database?.getTime() ?? 0));
}

/** This machine's clock against another one; empty where they agree. */
export function clockReason(of: "storage" | "database", other: Date, here: Date): HealthReason[] {
  const offMs = Math.abs(here.getTime() - other.getTime());
  if (offMs <= CLOCK_LIMIT_MS) return [];
  const message = `this machine's clock says ${formatInstant(here)}, the ${of}'s ${formatInstant(other)}: they are ${formatDuration(offMs)} apart`;
  return [{ code: "CLOCK_OFF", message }];
}

/** Why nothing may be removed by this machine's clock, as the end of a sentence: it is ahead of another one. */
export function clockDoubts({ here, storage, database }: Clocks): string[] {
  const ahead = (of: "storage" | "database", other: Date | undefined): string[] =>
    other === undefined || !isInFuture(here, other) ? [] : clockReason(of, other, here).map(({ message }) => message);
  return [...ahead("storage", storage), ...ahead("database", database)];
}
