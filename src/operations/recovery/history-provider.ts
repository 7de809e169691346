// A row through the history of a provider: a scratch place for each look, removed before the next. Both ends are looked at, then every
// two neighbours that differ are brought together by bisection, down to the provider's step or until the looks are used up.
import type { Micros } from "../../core/log.ts";
import { dateOfMicros, microsOf } from "../../core/micros.ts";
import { isSame, type Sighting } from "../../core/row-history.ts";
import { historyControl } from "../points/look.ts";
import { type Asking, type Part, paid, readFrom, unknownFor } from "./history-part.ts";
import { resolve } from "./resolve.ts";
import { withRestoredCopy } from "./restored-copy.ts";

export async function searchProvider(
  asking: Asking,
  range: { readonly from: Micros; readonly to: Micros },
  known: readonly Sighting[],
  budget: { left: number },
): Promise<Part> {
  const { source } = asking;
  const { place, precisionMs } = historyControl(source);
  const stepMs = Math.max(1000, precisionMs ?? 1);
  const from = Math.ceil(dateOfMicros(range.from).getTime() / stepMs) * stepMs;
  const to = Math.floor(dateOfMicros(range.to).getTime() / stepMs) * stepMs;
  const seen = new Map<number, Sighting>();
  for (const sighting of known) {
    const ms = dateOfMicros(sighting.at).getTime();
    if ("found" in sighting && sighting.kind !== "now" && ms > from && ms < to) seen.set(ms, sighting);
  }
  const looked: Sighting[] = [];
  const notExamined: string[] = [];
  const look = async (ms: number): Promise<Sighting | undefined> => {
    if (budget.left <= 0) return undefined;
    budget.left -= 1;
    const sighting = await lookAt(asking, new Date(ms), place);
    looked.push(sighting);
    seen.set(ms, sighting);
    return sighting;
  };
  for (const edge of new Set([from, to])) {
    if ((await look(edge)) !== undefined) continue;
    notExamined.push(
      paid(source)
        ? `the provider's history was not looked at: each look is a ${place} that is paid for; allow some with --limit`
        : `the provider's history was not looked at ${edge === to ? "at its end" : "at all"}: --limit allows no more`,
    );
    return { sightings: looked, notExamined };
  }
  const gaps = pairs([...seen.keys()].sort((a, b) => a - b));
  let gap = gaps.shift();
  for (; gap !== undefined; gap = gaps.shift()) {
    const [early, late] = gap;
    if (late - early <= stepMs || !differ(seen.get(early), seen.get(late))) continue;
    const middle = Math.floor((early + late) / 2 / stepMs) * stepMs;
    // Two neighbours that are not whole steps may have no step between them.
    if (middle <= early || middle >= late) continue;
    if ((await look(middle)) === undefined) {
      const [a, b] = [new Date(early).toISOString(), new Date(late).toISOString()];
      notExamined.push(`the row changed between ${a} and ${b}, and that was not searched: raise --limit`);
      continue;
    }
    gaps.unshift([early, middle], [middle, late]);
  }
  const remarks = [
    `the provider's history was looked at in ${looked.length} instants; a change that was undone between two of them is not seen`,
    "the provider gives no log: transactions and users are not known",
  ];
  return { sightings: looked, notExamined, remarks };
}

const pairs = (places: readonly number[]): [number, number][] => places.slice(1).map((late, index) => [places[index] ?? late, late]);

const differ = (a: Sighting | undefined, b: Sighting | undefined): boolean =>
  a !== undefined && b !== undefined && "found" in a && "found" in b && !isSame(a.found, b.found);

async function lookAt(asking: Asking, at: Date, place: string): Promise<Sighting> {
  const { context, source, job, watch } = asking;
  const about = { at: microsOf(at), kind: "history", by: `the provider's history, a ${place}` } as const;
  try {
    const { route } = await resolve(context, source, { kind: "time", at: about.at }, watch);
    const found = await withRestoredCopy(context, source, route, job, watch, false, ({ connection }) => readFrom(asking, connection()));
    return { ...about, found };
  } catch (error) {
    return { ...about, ...unknownFor(error, watch) };
  }
}
