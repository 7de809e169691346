// Programs of the user's own that operations run: a guarded migration, hooks around a swap.

export interface ProgramOrder {
  /** The program and its arguments; no shell is involved. Secrets do not belong here. */
  readonly argv: readonly string[];
  /** What it receives of the environment of this process: all, or PATH, HOME and the like. Default: all. */
  readonly inherit?: "all" | "basic" | undefined;
  /** Added to that. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Where its standard output goes; standard error always goes to ours. `captured`: neither is shown, and `tail` has the end of them. */
  readonly output: "stdout" | "stderr" | "captured";
  /** Marks the program and all that it starts, so that `endMarked` finds them after this process died. */
  readonly mark?: string | undefined;
  /** Never in `tail`. */
  readonly secrets?: readonly string[] | undefined;
  readonly timeoutMs?: number | undefined;
  /** Ends it: SIGTERM, then SIGKILL. */
  readonly signal?: AbortSignal | undefined;
}

export interface ProgramEnd {
  /** Null: a signal ended it. 127: it could not be started. */
  readonly status: number | null;
  readonly signal: string | null;
  /** It was ended because its time was over. */
  readonly late: boolean;
  /** The end of its output, where that is captured. */
  readonly tail: string;
}

export interface Programs {
  /** Runs it to its end. Throws the signal's reason when that aborted. */
  run(order: ProgramOrder): Promise<ProgramEnd>;
  /** Ends programs with this mark whose parent died. Returns how many there were. Finds none where the system does not show them. */
  endMarked(mark: string): Promise<number>;
}
