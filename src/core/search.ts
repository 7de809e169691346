// Finds in an ordered history the last place at which a check held. It decides which places to look at, and knows nothing of how.

/** The value of the check changed somewhere after the one place and at or before the other. */
export interface Flip {
  readonly after: number;
  readonly until: number;
  /** What the check says at `until`. */
  readonly holds: boolean;
}

export interface Searched {
  /** The last place at which the check held; it did not hold at the next one. Undefined: it did not hold at the first, or held at the last. */
  readonly held: number | undefined;
  /** Every change of the value that was seen, in order. More than one: the check flaps. */
  readonly flips: readonly Flip[];
  /** The value at every place that was looked at. */
  readonly known: ReadonlyMap<number, boolean>;
}

export interface SearchOptions {
  /** Places are 0 to `last`. */
  readonly last: number;
  /** How many places one look covers at no further cost: 1 bisects. */
  readonly width: number;
  /** Looks at places between equal neighbours, which show a check that flaps. */
  readonly extra: number;
}

/**
 * Yields places to look at, in ascending order, and takes their values. Assumes nothing of the order of values: two places with different
 * values are narrowed down to two neighbours, and of several such pairs the last is the answer.
 */
export function* search({ last, width, extra }: SearchOptions): Generator<readonly number[], Searched, readonly boolean[]> {
  const known = new Map<number, boolean>();
  const look = function* (places: readonly number[]): Generator<readonly number[], void, readonly boolean[]> {
    if (places.length === 0) return;
    const values = yield places;
    for (const [index, place] of places.entries()) known.set(place, values[index] === true);
  };
  yield* look([...new Set([0, ...between(0, last, width - 1), last])]);
  if (known.get(0) !== true || known.get(last) === true) return { held: undefined, flips: flipsOf(known), known };
  let left = Math.max(0, extra - (known.size - 2));
  for (;;) {
    const fall = flipsOf(known).findLast(({ holds }) => !holds);
    if (fall === undefined) return { held: undefined, flips: [], known };
    if (fall.until - fall.after > 1) {
      yield* look(between(fall.after, fall.until, width));
      continue;
    }
    const places = inGaps(known, Math.min(left, width));
    if (places.length === 0) return { held: fall.after, flips: flipsOf(known), known };
    left -= places.length;
    yield* look(places);
  }
}

/** How often `search` asks, and for how many places, at most, when the check breaks once. */
export function mostLooks({ last, width, extra }: SearchOptions): { readonly passes: number; readonly places: number } {
  const first = Math.min(last + 1, width + 1);
  const spare = Math.max(0, extra + 2 - first);
  let places = first;
  let passes = 1;
  for (let gap = Math.ceil(last / width); gap > 1; gap = Math.ceil(gap / (width + 1))) {
    places += Math.min(width, gap - 1);
    passes += 1;
  }
  // Narrowing may take fewer places than here, which leaves more of them to the extra looks: each may be a pass of its own.
  const most = Math.min(last + 1, places + spare);
  return { passes: Math.min(most, passes + Math.min(spare, last + 1 - first)), places: most };
}

/**
 * Chooses how many places a pass over the history looks at, where each pass begins anew: few looks in several passes, or many in one. At
 * least 16, which show most checks that flap.
 */
export function widthFor(places: number, passMs: number, lookMs: number): number {
  const widths = [1, 2, 3, 4, 5].map((passes) => ({ passes, width: Math.max(16, Math.ceil(places ** (1 / passes))) }));
  const cost = ({ passes, width }: { readonly passes: number; readonly width: number }): number => passes * (passMs + width * lookMs);
  return widths.reduce((best, one) => (cost(one) < cost(best) ? one : best)).width;
}

/** Returns at most `many` different places strictly between two others, evenly spread. */
function between(from: number, to: number, many: number): number[] {
  const inside = to - from - 1;
  if (many >= inside) return Array.from({ length: Math.max(0, inside) }, (_none, index) => from + 1 + index);
  return Array.from({ length: Math.max(0, many) }, (_none, index) => from + Math.floor(((index + 1) * (to - from)) / (many + 1)));
}

/** Returns the middles of the largest gaps between neighbours. */
function inGaps(known: ReadonlyMap<number, boolean>, many: number): number[] {
  const places = [...known.keys()].sort((a, b) => a - b);
  return places
    .slice(1)
    .map((to, index) => ({ from: places[index] ?? to, to }))
    .filter(({ from, to }) => to - from > 1)
    .sort((a, b) => b.to - b.from - (a.to - a.from))
    .slice(0, many)
    .map(({ from, to }) => Math.floor((from + to) / 2))
    .sort((a, b) => a - b);
}

function flipsOf(known: ReadonlyMap<number, boolean>): Flip[] {
  const places = [...known].sort(([a], [b]) => a - b);
  return places.flatMap(([until, holds], index): Flip[] => {
    const before = places[index - 1];
    return before === undefined || before[1] === holds ? [] : [{ after: before[0], until, holds }];
  });
}
