// So many pieces of work at once, and no more: the reader waits for a free slot, so that what it has read does not pile up.

export class Slots {
  readonly #limit: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Begins the work as soon as a slot is free. Throws what an earlier piece of work failed with: the first cause. */
  async begin(work: () => Promise<void>): Promise<void> {
    while (this.#running.size >= this.#limit && this.#failure === undefined) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
    const running: Promise<void> = work()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  /** Waits until all work has ended, failed or not. */
  async settle(): Promise<void> {
    await Promise.all(this.#running);
  }

  /** Waits until all is done. Throws the first failure. */
  async end(): Promise<void> {
    await this.settle();
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
