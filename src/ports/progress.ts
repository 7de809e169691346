// Progress of long work: engines and steps report through `Progress`, and subscribers receive the stream of job events.

export interface Progress {
  /** A step of the job begins. `totalBytes` is present where it is known or well estimated. */
  step(name: string, options?: { readonly totalBytes?: number | undefined }): void;
  /** Reports more bytes of the present step. */
  advance(sizeBytes: number): void;
  /** The present step does work that is not measured in bytes, such as index builds, until it advances again. */
  phase?(name: string): void;
  /** So many things of the present step are done, such as `40` of `1000` `sources`. `total`: where it is known. */
  count?(done: number, what: string, total?: number): void;
  /** Shows a sentence to the user now. */
  note(message: string): void;
  /** What the job made can be used now, while it waits to be stopped. */
  ready?(result: unknown): void;
  /** A job begins: what is reported from now on is its own. */
  begin?(job: { readonly id: string; readonly verb: string; readonly source: string }): void;
  /** That job has ended. Absent `code`: it is done. */
  end?(code?: string): void;
  /** The same stream for work on several sources at once, each with its own jobs. `also` receives the events of that work too. */
  fork?(also?: Events): Progress;
}

export const silentProgress: Progress = { step() {}, advance() {}, note() {} };

/** One event of a job, in the order in which they happen. */
export type JobEvent = {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** Null outside of a job. */
  readonly job: string | null;
  readonly source: string | null;
} & (
  | { readonly type: "begin"; readonly verb: string }
  | { readonly type: "step"; readonly name: string; readonly totalBytes: number | null }
  /** Of the present step, since it began. At most ten a second. */
  | { readonly type: "advance"; readonly doneBytes: number }
  | { readonly type: "phase"; readonly name: string }
  /** Of the present step. At most ten a second. */
  | { readonly type: "count"; readonly done: number; readonly total: number | null; readonly what: string }
  | { readonly type: "note"; readonly message: string }
  /** What the job made can be used until it is stopped: the operation's result as it is now. */
  | { readonly type: "ready"; readonly result: unknown }
  | { readonly type: "end"; readonly outcome: "done" | "failed"; readonly code: string | null }
);

export type Events = (event: JobEvent) => void;
