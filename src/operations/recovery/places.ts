// What a search looks at: a part of a source's history, place by place.
import type { LogChange, Micros } from "../../core/log.ts";
import type { PlanRoute } from "../../core/plan.ts";
import type { mostLooks } from "../../core/search.ts";
import type { Connection } from "../../ports/connection.ts";
import type { Job } from "../jobs/job.ts";
import type { PlanPart } from "./plan.ts";

export interface Past {
  /** In words, for people. */
  readonly by: string;
  /** How a place is reached. */
  readonly kind: PlanRoute["kind"];
  /** Places are 0 to this one. */
  readonly last: number;
  /** How many places one look covers at little further cost. */
  readonly width: number;
  /** What makes the places that are looked at, for a plan. */
  plan(most: ReturnType<typeof mostLooks>): PlanPart;
  /** The first instant with the data of the place. */
  at(place: number): Micros;
  /** The last instant that is known to have the data of the place. */
  until(place: number): Micros;
  /** The recovery target that a restore is told. Default: `until`. */
  target?(place: number): string;
  /** What led to the place from the one before. Undefined: this route does not tell. */
  changes(place: number): { readonly first: readonly LogChange[]; readonly count: number } | undefined;
  /**
   * Looks at places in ascending order. A connection to the source's own database, read-only or thrown away afterwards; undefined: there
   * was no such database.
   */
  look<T>(places: readonly number[], use: Use<T>, job: Job): Promise<T[]>;
  /** The slow way, for a place where a transaction that was still open keeps its locks: a copy of its own, in which it is rolled back. */
  readonly lookAlone?: (<T>(place: number, use: Use<T>, job: Job) => Promise<T>) | undefined;
  /** Removes what is kept from look to look. */
  end?(): Promise<void>;
}

type Use<T> = (connection: Connection | undefined, place: number) => Promise<T>;

export async function inOrder<T>(places: readonly number[], look: (place: number) => Promise<T>): Promise<T[]> {
  const found: T[] = [];
  for (const place of places) found.push(await look(place));
  return found;
}
