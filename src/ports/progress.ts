// Progress of long work. A renderer turns it into a live line, plain lines or nothing.

export interface Progress {
  /** A step of the job begins. `totalBytes` is present where it is known or well estimated. */
  step(name: string, options?: { readonly totalBytes?: number | undefined }): void;
  /** Reports more bytes of the present step. */
  advance(sizeBytes: number): void;
  /** The present step does work that is not measured in bytes, such as index builds, until it advances again. */
  phase?(name: string): void;
  /** Shows a sentence to the user now. */
  note(message: string): void;
}

export const silentProgress: Progress = { step() {}, advance() {}, note() {} };
