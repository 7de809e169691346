// The data behind a cluster: a server that speaks MongoDB's protocol, and its door, which can be shut.
import { type MongoSandbox, type MongoState, startMongoSandbox } from "../mongo/sandbox.ts";
import type { LogStretch } from "./state.ts";

export interface ClusterData {
  readonly server: MongoSandbox;
  /** `host:port`. */
  readonly host: string;
  /** Drops all connections and refuses new ones, until as many calls of `open` came. */
  shut(): Promise<void>;
  open(): Promise<void>;
  close(): Promise<void>;
}

export interface DataWishes {
  readonly replicaSet: string;
  readonly version: string;
  readonly state: MongoState | undefined;
}

export interface DataFactory {
  start(wishes: DataWishes): Promise<ClusterData>;
}

export type { LogStretch, MongoState };

export function dataFactory(options: {
  readonly users: readonly { readonly user: string; readonly password: string }[];
  readonly clock: () => Date;
  readonly noopEveryMs?: number | undefined;
}): DataFactory {
  return {
    async start({ replicaSet, version, state }) {
      const server = await startMongoSandbox({
        replicaSet,
        version,
        users: [...options.users],
        clock: options.clock,
        ...(options.noopEveryMs === undefined ? {} : { noopEveryMs: options.noopEveryMs }),
        ...(state === undefined ? {} : { state }),
      });
      return { server, host: `${server.host}:${server.port}`, ...door(server), close: () => server.close() };
    },
  };
}
