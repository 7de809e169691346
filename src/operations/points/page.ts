// Pages of a long list. A page begins after the last entry of the one before, so that entries which come and go meanwhile neither
// repeat others nor hide them.
import { LifeboatError } from "../../core/errors.ts";
import { byTime, type RestorePoint } from "../../core/restore-point.ts";

interface Page {
  readonly points: readonly RestorePoint[];
  /** Null: it is the last page. */
  readonly nextCursor: string | null;
}

type Place = Pick<RestorePoint, "source" | "time" | "id">;

/** By source, oldest first. */
export const bySource = (a: Place, b: Place): number => (a.source < b.source ? -1 : a.source > b.source ? 1 : byTime(a, b));

/** The page of points, which are sorted by source, after the cursor. Without a size, all of them. USAGE for a cursor that is not one. */
export function pageOf(points: readonly RestorePoint[], size: number | undefined, cursor: string | undefined): Page {
  const after = cursor === undefined ? undefined : placeOf(cursor);
  const first = after === undefined ? 0 : points.findIndex((point) => bySource(point, after) > 0);
  const rest = first === -1 ? [] : points.slice(first, size === undefined ? undefined : first + size);
  const last = rest.at(-1);
  const isEnd = last === undefined || first + rest.length === points.length;
  return { points: rest, nextCursor: isEnd ? null : cursorOf(last) };
}

const cursorOf = ({ source, time, id }: Place): string => Buffer.from(JSON.stringify([source, time.getTime(), id])).toString("base64url");

function placeOf(cursor: string): Place {
  try {
    const place: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (Array.isArray(place)) {
      const [source, ms, id]: unknown[] = place;
      if (typeof source === "string" && typeof ms === "number" && typeof id === "string") return { source, time: new Date(ms), id };
    }
  } catch {
    // told below
  }
  throw new LifeboatError("USAGE", "the cursor is not one that a page has given", { hint: "begin without a cursor" });
}
