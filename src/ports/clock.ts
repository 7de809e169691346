// Time and randomness as a port, so that core stays pure and tests can control both.

export interface Clock {
  /** Returns the present instant. */
  now(): Date;
  /** Returns milliseconds of a monotonic clock. Only differences are meaningful. */
  monotonicMs(): number;
  /** Returns cryptographically random bytes. */
  randomBytes(sizeBytes: number): Uint8Array;
}
