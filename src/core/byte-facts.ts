// The size and digest that stored or plain bytes must have.

export interface ByteFacts {
  readonly sizeBytes: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
}
