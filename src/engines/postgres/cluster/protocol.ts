// What the starter and the supervisor of a cluster tell each other: one line of JSON each way; then the pipe itself is the message.
import type { CellSupport } from "../../../process/cell.ts";

/** First line on the supervisor's standard input. When that input ends, for any reason, the cluster ends. */
export interface SupervisorOrder {
  readonly directory: string;
  readonly data: string;
  readonly bin: string;
  readonly jobId: string;
  readonly host: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** How the cluster is made; absent: its data is there. */
  readonly create?: { readonly password: string; readonly encoding: string; readonly locale: string; readonly ctype: string } | undefined;
  /** Content of the server's hba file, which is beside the data; absent: the one in the data is used. */
  readonly hba?: string | undefined;
  /** The data outlives the server: it is shut down in peace, and nothing is removed. */
  readonly keep: boolean;
  /** The server runs in a cell, and beside its own directories sees these; absent: it runs as any program. */
  readonly cell?: { readonly support: CellSupport; readonly writable: readonly string[] } | undefined;
  readonly settings: Readonly<Record<string, string>>;
  readonly startTimeoutMs: number;
}

/** First line on its standard output. */
export type SupervisorAnswer = { readonly ready: true; readonly pid: number } | { readonly ready: false; readonly message: string };
