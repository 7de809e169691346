// What every handler may use: state, time, fleet, and the request.

import type { ClockMap } from "./clock-map.ts";
import { invalid, notFound } from "./errors.ts";
import type { Fleet } from "./fleet/fleet-types.ts";
import type { ApiKey, Branch, Endpoint, NeonProject, Snapshot, Store } from "./state.ts";

export interface Delays {
  /** How long an operation waits, how long it takes, and what a sleeping compute takes to wake besides its server's start. */
  readonly schedulingMs: number;
  readonly runningMs: number;
  readonly coldStartMs: number;
}

export type Json = Readonly<Record<string, unknown>>;

export interface ApiRequest {
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Json;
  readonly key: ApiKey;
  /** What makes the last operation of this call hang, when that fault was asked for. */
  readonly stuck?: { on: boolean } | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body?: object;
}

export class Emulator {
  readonly store: Store;
  readonly time: ClockMap;
  readonly fleet: Fleet;
  readonly delays: Delays;
  /** PostgreSQL's programs, for schemas as text; undefined where there are none. */
  readonly bin: string | undefined;
  readonly real: () => number;

  constructor(parts: Pick<Emulator, "store" | "time" | "fleet" | "delays" | "bin">) {
    this.store = parts.store;
    this.time = parts.time;
    this.fleet = parts.fleet;
    this.delays = parts.delays;
    this.bin = parts.bin;
    this.real = Date.now;
  }

  project(request: ApiRequest): NeonProject {
    const found = this.store.projects.get(request.params.project ?? "");
    const mayUse = request.key.projectId === undefined || request.key.projectId === found?.id;
    if (found === undefined || found.deletedAt !== undefined || !mayUse) throw notFound("project");
    return found;
  }

  branch(project: NeonProject, id: string | undefined): Branch {
    const found = project.branches.get(id ?? "");
    if (found === undefined) throw notFound("branch");
    return found;
  }

  endpoint(project: NeonProject, id: string | undefined): Endpoint {
    const found = project.endpoints.get(id ?? "");
    if (found === undefined) throw notFound("endpoint");
    return found;
  }

  snapshot(project: NeonProject, id: string | undefined): Snapshot {
    const found = project.snapshots.get(id ?? "");
    if (found === undefined) throw notFound("snapshot");
    return found;
  }
}

/** The object under a key of a body; 400 when there is none. */
export function part(body: Json, key: string): Json {
  const value = body[key];
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${key} is required`);
  return value as Json;
}

const KINDS = { string: "a string", number: "a number", boolean: "true or false", object: "an object" } as const;
interface Values {
  string: string;
  number: number;
  boolean: boolean;
  object: Json;
}

/** An optional value of a body; 400 when it is of another type. Null counts as absent. */
export function optional<K extends keyof Values>(body: Json, key: string, kind: K): Values[K] | undefined {
  const value = body[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== kind) throw invalid(`${key} must be ${KINDS[kind]}`);
  return value as Values[K];
}

export function required<K extends keyof Values>(body: Json, key: string, kind: K): Values[K] {
  const value = optional(body, key, kind);
  if (value === undefined) throw invalid(`${key} is required`);
  return value;
}

const RFC3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** An instant with its zone; 400 otherwise. */
export function instant(text: string, key: string): Date {
  const at = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at)) throw invalid(`${key} must be a timestamp as 2026-11-21T06:00:00Z, with its zone`);
  return new Date(at);
}
