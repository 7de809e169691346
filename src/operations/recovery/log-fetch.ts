// The files of the log that a recovering server may have: exactly those of the plan, each proven while it is read.
import { isLifeboatError } from "../../core/errors.ts";
import { markLogDamage, readLogBytes } from "../../repository/log.ts";
import { historyPlace, type LogPlace, placeOf } from "../../repository/log-place.ts";
import { readSegment } from "../../repository/log-segment.ts";
import { assertReadable } from "../../repository/whole.ts";
import type { OpenKey } from "../../seal/keys.ts";
import type { Context } from "../context.ts";
import type { RecoveryCourse } from "./course.ts";

/** Damage that is found is remembered beside the segment: from then on no window counts on it. */
export function fetchFrom(context: Context, course: RecoveryCourse, key: OpenKey) {
  const { repository } = context;
  const { source } = course.base;
  const segments = new Map(course.chain.map((segment) => [segment.name, segment]));
  const histories = new Map(course.log.log.historyRecords.map((record) => [record.name, record]));
  const reading = async function* (place: LogPlace, bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    try {
      yield* bytes;
    } catch (error) {
      if (isLifeboatError(error, "INTEGRITY"))
        await markLogDamage(context.repository, place, { at: context.clock.now(), message: error.message });
      throw error;
    }
  };
  return async (name: string, signal: AbortSignal): Promise<AsyncIterable<Uint8Array> | undefined> => {
    // A partial segment is the last of its chain, and is asked for by the name that it will have when it is full.
    const segment = segments.get(name);
    if (segment !== undefined) {
      assertReadable("log segment", segment.plain.sizeBytes);
      return reading(placeOf(segment), readSegment(repository, segment, key, signal));
    }
    const history = histories.get(name);
    if (history === undefined) return undefined;
    assertReadable("history file", history.plain.sizeBytes);
    const place = historyPlace(source, history.timeline);
    return reading(place, readLogBytes(repository.storage, place, history, key, signal));
  };
}
