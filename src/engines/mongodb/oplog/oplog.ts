// Point in time for MongoDB: the oplog as it is archived, and replayed onto dumps, put together behind the port.
import { compareLsn } from "../../../core/lsn.ts";
import type { LogReplay } from "../../../ports/log.ts";
import type { SourceScope } from "../scope.ts";
import { logFileKind, startOfSegment } from "./position.ts";
import { openReceiver } from "./receiver.ts";
import { beginForward, replay } from "./replay.ts";
import { changesIn, firstCommitAfter, readSegment, recordAt } from "./segment.ts";
import { serverLog } from "./server-log.ts";
import { emitCommit, logState } from "./state.ts";

/** `source`: what the engine's sources are of. */
export function oplogEngine(source: SourceScope = {}): LogReplay {
  return {
    logState,
    openReceiver,
    emitCommit,
    /** Nothing at the server is kept for us. */
    dropSlot: async () => {},
    startOfSegment,
    logFileKind,
    readSegment,
    firstCommitAfter,
    recordAt,
    changesIn,
    compareLsn,
    /** There is one history only: what a majority has is never rolled back. */
    readHistory: () => [],
    replay: (order) => replay(order, source),
    beginForward: (order) => beginForward(order, source),
    serverLog,
  };
}
