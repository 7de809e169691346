// Time and chance as a port, so that core stays pure and tests can drive both.

export interface Clock {
  /** The present instant. */
  now(): Date;
  /** Milliseconds of a clock that never steps back; only differences mean something. */
  monotonicMs(): number;
  /** Cryptographically random bytes. */
  randomBytes(sizeBytes: number): Uint8Array;
}
