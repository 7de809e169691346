// How long work tells the user where it is. A renderer turns these into a live line, plain lines or nothing.

export interface Progress {
  /** A step of the job begins; `totalBytes` where it is known or well estimated. */
  step(name: string, options?: { readonly totalBytes?: number | undefined }): void;
  /** More work of the present step is done. */
  advance(sizeBytes: number): void;
  /** The present step has come to work that no bytes measure (indexes being built), until it advances again. */
  phase?(name: string): void;
  /** A sentence the user should see, now. */
  note(message: string): void;
}

export const silentProgress: Progress = { step() {}, advance() {}, note() {} };
