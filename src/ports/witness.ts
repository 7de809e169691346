// A witness of the audit log: a place outside of the repository that keeps its checkpoints, so that a log that was rolled back or rewritten
// is seen by a machine that has no memory of it.
export interface Witness {
  /** As in the configuration. */
  readonly name: string;
  /** For messages, without credentials. */
  readonly where: string;
  /** The checkpoints that it keeps of this log, oldest first; the newest ones where they are many. Not trusted: the caller checks them. */
  read(signal: AbortSignal): Promise<readonly string[]>;
  /** Keeps a checkpoint of so many entries. Keeping the same one twice changes nothing. */
  keep(size: number, checkpoint: string, signal: AbortSignal): Promise<void>;
}
