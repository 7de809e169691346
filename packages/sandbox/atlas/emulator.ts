// What every handler may use: state, time, work that takes time, and the request.
import type { DataFactory } from "./data.ts";
import type { Durations } from "./durations.ts";
import { missing, refused } from "./errors.ts";
import type { FaultList } from "./faults.ts";
import { mintId } from "./ids.ts";
import type { Buckets } from "./rate-limits.ts";
import type { Cluster, Json, Store } from "./state.ts";
import type { Timekeeper } from "./time.ts";

export interface ApiRequest {
  readonly params: Readonly<Record<string, string>>;
  /** The request's own address, whole. */
  readonly url: URL;
  readonly body: Json;
  /** The version that answers, as `2024-08-05`. */
  readonly version: string;
  /** Bodies of a few requests are lists. */
  readonly list?: readonly unknown[] | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
}

export const ok = (body: object): Answer => ({ status: 200, body });
export const GONE: Answer = { status: 204 };

export interface TimedWork {
  /** The point of work at which it is due. */
  readonly due: number;
  readonly order: number;
  readonly run: () => void | Promise<void>;
}

export class Emulator {
  readonly store: Store;
  readonly time: Timekeeper;
  readonly durations: Durations;
  readonly faults: FaultList;
  readonly buckets: Buckets;
  readonly data: DataFactory;
  /** Where export buckets lie. */
  readonly bucketRoot: () => Promise<string>;
  /** The API's host, known once it listens. */
  origin = "";
  /** Archives that can be fetched, by the secret part of their address. */
  readonly downloads = new Map<string, { readonly expiresAt: Date; make(): Promise<Buffer> }>();
  readonly tasks = new Set<TimedWork>();
  #order = 0;

  constructor(parts: Pick<Emulator, "store" | "time" | "durations" | "faults" | "buckets" | "data" | "bucketRoot">) {
    this.store = parts.store;
    this.time = parts.time;
    this.durations = parts.durations;
    this.faults = parts.faults;
    this.buckets = parts.buckets;
    this.data = parts.data;
    this.bucketRoot = parts.bucketRoot;
  }

  now(): Date {
    return this.time.now();
  }

  mint(): string {
    return mintId(this.now());
  }

  /** Does something once so much simulated time has passed. */
  later(ms: number, run: () => void | Promise<void>): TimedWork {
    const task = { due: this.time.work() + ms, order: this.#order++, run };
    this.tasks.add(task);
    return task;
  }

  tell(eventTypeName: string, clusterName?: string, more: Json = {}): void {
    this.store.events.push({ id: this.mint(), created: this.now(), eventTypeName, clusterName, isGlobalAdmin: false, more });
  }

  requireGroup(id: string | undefined): void {
    if (id !== this.store.groupId) throw missing("GROUP_NOT_FOUND", `No group with ID ${id} exists.`, id);
  }

  /** A cluster of the cluster API: dedicated or free. */
  cluster(request: Pick<ApiRequest, "params">): Cluster {
    const found = this.anyCluster(request.params.clusterName);
    if (found.kind === "flex")
      throw refused("CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API", `Flex cluster ${found.name} cannot be used in the cluster API.`, found.name);
    return found;
  }

  flex(request: Pick<ApiRequest, "params">): Cluster {
    const found = this.anyCluster(request.params.name);
    if (found.kind !== "flex")
      throw refused("CANNOT_USE_NON_FLEX_CLUSTER_IN_FLEX_API", `Cluster ${found.name} is not a Flex cluster.`, found.name);
    return found;
  }

  anyCluster(name: string | undefined): Cluster {
    const found = this.store.clusters.get(name ?? "");
    if (found === undefined) {
      const { groupId } = this.store;
      throw missing("CLUSTER_NOT_FOUND", `No cluster named ${name} exists in group ${groupId}.`, name, groupId);
    }
    return found;
  }

  /** The cluster of a request about backups: also one that was deleted with its backups kept. */
  holder(request: Pick<ApiRequest, "params">): Cluster {
    const name = request.params.clusterName ?? "";
    return this.store.clusters.has(name) ? this.cluster(request) : (this.store.retired.get(name) ?? this.cluster(request));
  }
}
