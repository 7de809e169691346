// Pages of a long list. A page begins after the last entry of the one before, so that entries which come and go meanwhile neither
// repeat others nor hide them.
import { LifeboatError } from "../../core/errors.ts";
import type { PointJson } from "../../core/restore-point.ts";

interface Page {
  readonly points: readonly PointJson[];
  /** Null: it is the last page. */
  readonly nextCursor: string | null;
}

type Place = Pick<PointJson, "source" | "time" | "id">;

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Oldest first. Equal instants are ordered by id, so that the result does not depend on the order of the input. */
export const byInstant = (a: Place, b: Place): number => compare(a.time, b.time) || compare(a.id, b.id);

/** By source, oldest first. */
export const bySource = (a: Place, b: Place): number => compare(a.source, b.source) || byInstant(a, b);

/** The first page of points that are sorted by source. */
export function pageOf(points: readonly PointJson[], size: number): Page {
  const page = points.slice(0, size);
  const last = page.at(-1);
  return { points: page, nextCursor: last === undefined || page.length === points.length ? null : cursorOf(last) };
}

/** Whether a point belongs to a page that begins after the place. Undefined: before all points. */
export const isAfter = (point: Place, place: Place | undefined): boolean => place === undefined || bySource(point, place) > 0;

const cursorOf = ({ source, time, id }: Place): string => Buffer.from(JSON.stringify([source, time, id])).toString("base64url");

/** The place of the last point of a page, after which the next one begins. USAGE for a cursor that is not one. */
export function placeOf(cursor: string): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(place)) {
      const [source, time, id]: unknown[] = place;
      if (typeof source === "string" && typeof time === "string" && typeof id === "string") return { source, time, id };
    }
  } catch {
    // told below
  }
  throw new LifeboatError("USAGE", "the cursor is not one that a page has given", { hint: "begin without a cursor" });
}
