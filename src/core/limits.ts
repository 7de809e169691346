// The use of what has a limit: branches and snapshots of a provider's plan, storage, connections of a server.
import type { HealthReason } from "./monitors.ts";

/** The use of a limit. Always reported, with a warning from 80 % (R3). */
export interface Limit {
  /** `branches`, `root branches`, `snapshots`, `protected branches`, `storage`, `disk`, `connections`. */
  readonly name: string;
  readonly used: number;
  /** Absent: unknown, or no limit. */
  readonly max?: number | undefined;
  readonly unit: "count" | "bytes";
}

/** The use of a limit that causes a warning. */
export const LIMIT_NEAR_SHARE = 0.8;

export const isNear = ({ used, max }: Pick<Limit, "used" | "max">): boolean =>
  max !== undefined && max > 0 && used / max >= LIMIT_NEAR_SHARE;

export function* limitReasons(limits: readonly Limit[]): Iterable<HealthReason> {
  for (const limit of limits) {
    const { name, used, max = 0, unit } = limit;
    if (!isNear(limit)) continue;
    const code = unit === "bytes" ? "STORAGE_NEAR" : name === "connections" ? "CONNECTIONS_NEAR" : "LIMIT_NEAR";
    yield { code, about: name, message: `${Math.floor((used / max) * 100)} % of ${name} are used` };
  }
}
