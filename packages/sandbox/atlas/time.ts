// Two clocks: the driven one, in which the API shows instants, and work, by which state changes take time.
//
// Work runs `speed` times as fast as the machine's clock, and jumps along when the driven clock jumps: so a cluster is created in
// seconds of real time, and a test that puts the clock forward by an hour finds it ready. Both in milliseconds.

interface Reading {
  readonly driven: number;
  readonly work: number;
}

export class Timekeeper {
  readonly #clock: (() => number) | undefined;
  readonly #real: () => number;
  readonly #speed: number;
  #lastReal: number;
  #aheadMs = 0;
  #latest: Reading;
  /** Up to here, all due work has been done. */
  #settled: Reading;
  #present: Reading | undefined;
  #elapsedMs = 0;

  constructor(speed: number, clock?: () => number, real: () => number = Date.now) {
    this.#speed = speed;
    this.#clock = clock;
    this.#real = real;
    this.#lastReal = real();
    this.#latest = { driven: clock?.() ?? this.#lastReal, work: 0 };
    this.#settled = this.#latest;
  }

  /** Takes both clocks' time. Neither ever runs backwards. */
  read(): void {
    const real = this.#real();
    const realMs = Math.max(0, real - this.#lastReal);
    const driven = Math.max((this.#clock?.() ?? real) + this.#aheadMs, this.#latest.driven);
    const drivenMs = driven - this.#latest.driven;
    const passedMs = Math.max(realMs, drivenMs);
    this.#lastReal = Math.max(real, this.#lastReal);
    this.#elapsedMs += passedMs;
    this.#latest = { driven, work: this.#latest.work + passedMs + (this.#speed - 1) * realMs };
  }

  /** Puts the driven clock forward. */
  advance(ms: number): void {
    this.read();
    this.#aheadMs += ms;
    this.read();
  }

  /** The instant that due work belongs to: the present, or one that the clock jumped over. */
  now(): Date {
    if (this.#present === undefined) this.read();
    return new Date((this.#present ?? this.#latest).driven);
  }

  /** The driven present itself: the data's clock. */
  clock(): Date {
    this.read();
    return new Date(this.#latest.driven);
  }

  work(): number {
    if (this.#present === undefined) this.read();
    return (this.#present ?? this.#latest).work;
  }

  /** Time that passed for waiting clients: real or driven, the faster of the two. */
  elapsedMs(): number {
    this.read();
    return this.#elapsedMs;
  }

  /** Real milliseconds until work comes to a point, if nothing jumps. */
  realUntil(work: number): number {
    this.read();
    return Math.max(0, (work - this.#latest.work) / this.#speed);
  }

  /** The driven instant that belongs to a point of work. */
  instantOf(work: number): number {
    return between(work, this.#settled.work, this.#latest.work, this.#settled.driven, this.#latest.driven);
  }

  workAt(driven: number): number {
    return between(driven, this.#settled.driven, this.#latest.driven, this.#settled.work, this.#latest.work);
  }

  /** Does something as of a point between what is settled and the present. */
  async at(point: { readonly driven: number; readonly work: number }, act: () => void | Promise<void>): Promise<void> {
    this.#present = point;
    try {
      await act();
    } finally {
      this.#present = undefined;
    }
  }

  /** What is settled begins anew here: the reading that the catching up began with. */
  settle(): void {
    this.#settled = this.#latest;
  }

  latest(): Reading {
    return this.#latest;
  }
}

/** Straight line through two points, held between them. */
function between(x: number, x0: number, x1: number, y0: number, y1: number): number {
  if (x <= x0 || x1 <= x0) return y0;
  if (x >= x1) return y1;
  return y0 + ((x - x0) / (x1 - x0)) * (y1 - y0);
}
