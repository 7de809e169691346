// What bytes must be: how many, and their digest.

export interface ByteFacts {
  readonly sizeBytes: number;
  /** SHA-256, lower-case hexadecimal. */
  readonly sha256: string;
}
