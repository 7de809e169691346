// A machine whose clock is wrong would take backups for expired, or date new ones in the future. So its clock is
// compared with the storage's and with the database's, wherever an instant decides what is removed or called fresh.
import { formatDuration, formatInstant } from "../../core/duration.ts";
import type { HealthReason } from "../../core/health.ts";
import { isInFuture } from "../../core/restore-point.ts";
import type { DatabaseFacts } from "../../ports/connection.ts";
import type { Context, Source, Watch } from "../context.ts";

/** From this difference on a clock is reported: certificates, request signatures and schedules depend on it. */
export const CLOCK_LIMIT_MS = 30_000;

export interface Clocks {
  readonly here: Date;
  readonly storage: Date;
  /** Absent: the database did not answer, or has no clock to ask. */
  readonly database?: Date | undefined;
}

/** How long the answer of a database may take. */
export const REACH_MS = 10_000;

/** The facts of the source as it reports them now, or the error. Its clock is `facts.now`; compare it with `here`. */
export async function ask(source: Source, { signal }: Pick<Watch, "signal">): Promise<DatabaseFacts> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(REACH_MS)]);
  return source.engine.inspect(await source.provider.connection({ signal: limited }), { signal: limited });
}

/** Asks every source. Leaves out a database that does not answer, and one that its provider would have to wake. */
export async function readClocks(context: Context, source: Source, watch: Watch): Promise<Clocks> {
  const facts = source.managed === true ? undefined : await ask(source, watch).catch(() => undefined);
  watch.signal.throwIfAborted();
  const here = context.clock.now();
  return { here, database: facts?.now, storage: await context.repository.storage.now({ signal: watch.signal }) };
}

/** The latest of the clocks: a later instant is in the future by all of them. */
export function latestOf({ here, storage, database }: Clocks): Date {
  return new Date(Math.max(here.getTime(), storage.getTime(), database?.getTime() ?? 0));
}

/** Compares this machine's clock with another one. Empty where they agree. */
export function clockReason(of: "storage" | "database", other: Date, here: Date): HealthReason[] {
  const offMs = Math.abs(here.getTime() - other.getTime());
  if (offMs <= CLOCK_LIMIT_MS) return [];
  const message = `this machine's clock says ${formatInstant(here)}, the ${of}'s ${formatInstant(other)}: they are ${formatDuration(offMs)} apart`;
  return [{ code: "CLOCK_OFF", message }];
}

/** Why this machine's clock must not decide what is removed, as the end of a sentence: it is ahead of another one. */
export function clockDoubts({ here, storage, database }: Clocks): string[] {
  const ahead = (of: "storage" | "database", other: Date | undefined): string[] =>
    other === undefined || !isInFuture(here, other) ? [] : clockReason(of, other, here).map(({ message }) => message);
  return [...ahead("storage", storage), ...ahead("database", database)];
}
