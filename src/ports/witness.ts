// A witness of the audit log: a place outside of the repository that keeps its checkpoints, so that a log that was rolled back or rewritten
// is seen by a machine that has no memory of it.
export interface Witness {
  /** As in the configuration. */
  readonly name: string;
  /** For messages, without credentials. */
  readonly where: string;
  /** The newest checkpoints that it keeps of this log, at most so many, oldest first. Not trusted: the caller checks them. */
  read(most: number, signal: AbortSignal): Promise<readonly string[]>;
  /** Keeps a checkpoint of so many entries. Keeping the same one twice changes nothing. */
  keep(size: number, checkpoint: string, signal: AbortSignal): Promise<void>;
}
