// Which real instant an instant of the driven clock was. The API speaks driven time; the clusters stamp commits with the machine's.
//
// Kept as spans: in each, driven time ran along with real time, or stood still. Between two, it jumped.

interface Span {
  readonly driven: number;
  readonly real: number;
  endReal: number;
  /** Unknown until a second reading tells. */
  runs: boolean | undefined;
}

/** Readings of two clocks, milliseconds rounded each on its own. */
const TOLERANCE_MS = 3;

export class ClockMap {
  readonly #clock: (() => number) | undefined;
  readonly #real: () => number;
  readonly #spans: Span[] = [];
  #aheadMs = 0;
  #latest = Number.NEGATIVE_INFINITY;

  /** `clock` is the one that tests drive (default: the machine's); `real` is the machine's. Both in milliseconds since 1970. */
  constructor(clock?: () => number, real: () => number = Date.now) {
    this.#clock = clock;
    this.#real = real;
    this.read();
  }

  /** The driven present. Every reading extends the map: a jump counts from the reading that sees it. */
  read(): number {
    const { real, clock } = this.#both();
    const driven = Math.max(clock + this.#aheadMs, this.#latest); // never backwards
    this.#latest = driven;
    const last = this.#spans.at(-1);
    if (last !== undefined) {
      const withReal = Math.abs(driven - (last.driven + real - last.real)) <= TOLERANCE_MS;
      const stood = driven === last.driven;
      if (withReal && stood) return driven; // too short to tell
      if ((last.runs !== false && withReal) || (last.runs !== true && stood)) {
        last.runs = withReal;
        last.endReal = real;
        return driven;
      }
    }
    this.#spans.push({ driven, real, endReal: real, runs: undefined });
    return driven;
  }

  /** Both clocks at one instant: a process that was made to wait between two readings would see a jump where none was. */
  #both(): { readonly real: number; readonly clock: number } {
    for (let attempt = 1; ; attempt++) {
      const real = this.#real();
      const clock = this.#clock?.() ?? real;
      if (this.#real() - real <= 1 || attempt === 5) return { real, clock };
    }
  }

  now(): Date {
    return new Date(this.read());
  }

  /** Puts the driven clock forward. */
  advance(ms: number): void {
    this.read();
    this.#aheadMs += ms;
    this.read();
  }

  /**
   * The last real instant that belongs to a driven one. An instant inside a jump is the moment of the jump:
   * nothing happened in between.
   */
  toReal(driven: Date): Date {
    const at = driven.getTime();
    const index = this.#spans.findLastIndex((span) => span.driven <= at);
    const found = this.#spans[index];
    if (found === undefined) {
      const first = this.#spans[0] as Span;
      return new Date(first.real - (first.driven - at));
    }
    const end = this.#spans[index + 1]?.real ?? Number.POSITIVE_INFINITY;
    if (found.runs !== false || end === Number.POSITIVE_INFINITY) {
      const along = found.runs === false ? this.#real() : found.real + at - found.driven;
      return new Date(Math.min(along, end));
    }
    return new Date(end);
  }

  /** The driven instant of a real one. */
  toDriven(real: number): Date {
    const index = this.#spans.findLastIndex((span) => span.real <= real);
    const found = this.#spans[Math.max(index, 0)] as Span;
    if (found.runs === false) return new Date(found.driven);
    const next = this.#spans[index + 1]?.driven ?? Number.POSITIVE_INFINITY;
    return new Date(Math.min(found.driven + real - found.real, next));
  }
}
