// What the starter tells the supervisor of a scratch server: one line of JSON. When the supervisor's input ends, so does the server.

export interface ServerOrder {
  readonly directory: string;
  readonly program: string;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly startTimeoutMs: number;
}

/** Name of the socket, in the layout's directory for it. */
export const SOCKET = "mongod.sock";
