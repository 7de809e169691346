// The files of the log that a recovering server may have: exactly those of the plan, each proven while it is read.
import { isLifeboatError } from "../../core/errors.ts";
import { markLogDamage, readLogBytes } from "../../repository/log.ts";
import { historyPlace, type LogPlace, placeOf } from "../../repository/log-place.ts";
import type { OpenKey } from "../../repository/seal/keys.ts";
import { assertHoldable } from "../../repository/whole.ts";
import type { Workshop } from "../workshop.ts";
import type { RecoveryCourse } from "./course.ts";

/** Damage that is found is remembered beside the segment: from then on no window counts on it. */
export function fetchFrom(workshop: Workshop, course: RecoveryCourse, key: OpenKey) {
  const { storage } = workshop.repository;
  const { source } = course.base;
  const segments = new Map(course.chain.map((segment) => [segment.name, segment]));
  const histories = new Map(course.log.log.historyRecords.map((record) => [record.name, record]));
  const reading = async function* (place: LogPlace, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* bytes;
    } catch (error) {
      if (isLifeboatError(error, "INTEGRITY"))
        await markLogDamage(workshop.repository, place, { at: workshop.clock.now(), message: error.message });
      throw error;
    }
  };
  return async (name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> => {
    const segment = segments.get(name);
    const history = histories.get(name);
    // A partial segment is the last of its chain, and is asked for by the name that it will have when it is full.
    const place = segment ? placeOf(segment) : history && historyPlace(source, history.timeline);
    const facts = segment ?? history;
    if (facts !== undefined) assertHoldable(history === facts ? "history file" : "log segment", facts.plain.sizeBytes);
    return place && facts && reading(place, readLogBytes(storage, place, facts, key, signal));
  };
}
