// Point-in-time recovery of PostgreSQL: base backups, the log that follows them, and replay, put together behind the port.
import type { PhysicalEngine } from "../../ports/physical.ts";
import { beginBase } from "./base/begin.ts";
import type { Isolation } from "./cluster/isolation.ts";
import { emitCommit } from "./log/emit-commit.ts";
import { openReceiver } from "./log/receiver.ts";
import { compareLsn, firstCommitAfter, logFileKind, readHistory, readSegment, recordAt, segmentNames } from "./log/segments.ts";
import { dropSlot } from "./log/slot.ts";
import { logState } from "./log/state.ts";
import { undoPlace } from "./recovery/place.ts";
import { recover } from "./recovery/recover.ts";

export function physicalEngine(
  options: { readonly bin?: string | readonly string[] | undefined; readonly isolation?: Isolation | undefined } = {},
): PhysicalEngine {
  const { bin, isolation } = options;
  return {
    logState,
    beginBase: (connection, work) => beginBase(connection, { ...work, bin }),
    openReceiver: (connection, work) => openReceiver(connection, work, { bin }),
    emitCommit,
    dropSlot,
    logFileKind,
    readSegment,
    firstCommitAfter,
    recordAt,
    segmentNames,
    compareLsn,
    readHistory,
    recover: (order) => recover(order, { configured: bin, isolation }),
    undo: undoPlace,
  };
}
