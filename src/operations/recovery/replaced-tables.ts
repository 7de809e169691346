// Tables in use that a load changes: what they hold is stored as the job's undo set while no other session can write to them, and
// afterwards how the load has left them. From the first an undo brings them back; the second says whether others changed them since.
import type { Fingerprint } from "../../core/fingerprint.ts";
import type { Connection } from "../../ports/connection.ts";
import type { TablesChange } from "../../ports/engine.ts";
import { storeUndoAfter, storeUndoArchive, type UndoRecord } from "../../repository/undo-sets.ts";
import type { Context, Source, Watch } from "../context.ts";
import type { Job } from "../jobs/job.ts";
import { type FileUndo, undoFacts } from "./undo-record.ts";

export interface ReplacedTables {
  /** Stores what the tables hold. */
  before(connection: Connection, change: TablesChange): Promise<void>;
  /** Records what the load has left. Nothing was stored: does nothing. */
  after(connection: Connection, reader: Connection | undefined): Promise<void>;
  /** Absent: none of the tables was there. */
  readonly undo?: UndoRecord | undefined;
}

export interface Replacing {
  readonly verb: string;
  /** The database in words, and as it was asked for. */
  readonly target: string;
  readonly into?: string | undefined;
  readonly rowsOnly: boolean;
  /** Given what the tables hold while they are locked: what it throws ends the load before its first change. */
  refuse?(present: Fingerprint): void;
}

export function replacedTables(
  context: Context,
  { engine, name }: Source,
  { rowsOnly, refuse, ...made }: Replacing,
  job: Job,
  file: FileUndo,
  watch: Watch,
): ReplacedTables {
  const work = { signal: job.signal, progress: watch.progress };
  let undo: UndoRecord | undefined;
  return {
    get undo() {
      return undo;
    },
    async before(connection, { present, absent }) {
      undo = await file(async (place) => {
        const dump = await engine.beginDump(connection, { kind: "tables", tables: present, alone: true, ...work });
        try {
          const [data] = dump.parts;
          if (data === undefined) throw new Error("a dump has no data");
          const found = dump.fingerprint();
          found.catch(() => undefined); // seen when the bytes have ended
          const archive = { tables: present, created: absent, rowsOnly };
          const facts = undoFacts(context, job, name, made);
          const record = await storeUndoArchive(
            place,
            facts,
            archive,
            { bytes: data.bytes, fingerprint: () => found },
            context.sealKey,
            job.signal,
          );
          refuse?.(await found);
          return record;
        } finally {
          await dump.end();
        }
      });
    },
    async after(connection, reader) {
      const stored = undo;
      if (stored?.archive === undefined) return;
      const scope = scopeOf(stored.archive);
      const left = await engine.fingerprint(connection, scope, { ...work, reader });
      undo = await job.file((place) => storeUndoAfter(place, stored, left, context.sealKey, job.signal));
    },
  };
}

export const scopeOf = ({ tables, created }: Pick<NonNullable<UndoRecord["archive"]>, "tables" | "created">): Fingerprint["scope"] => ({
  kind: "tables",
  tables: [...tables, ...created],
});

/**
 * What differs between two states of these tables, in words: rows, and unless `rowsOnly` definitions. Sequences are not included, because
 * live ones only advance; neither are owners and privileges, which a load still holds while the state is read.
 */
export function differencesOf(
  { engine }: Pick<Source, "engine">,
  then: Fingerprint,
  now: Fingerprint,
  { rowsOnly }: Pick<NonNullable<UndoRecord["archive"]>, "rowsOnly">,
): string[] {
  const plain = (one: Fingerprint): Fingerprint => ({
    ...one,
    scope: { kind: "tables", tables: [] },
    sequences: {},
    // A table that is not there is compared as missing, not as unreadable.
    unhashed: one.unhashed.filter(({ kind, object }) => kind !== "table" || Object.hasOwn(one.schema, `table ${object}`)),
  });
  const checks = engine.compare(plain(then), plain(now), { ignoreOwners: true, dataOnly: rowsOnly });
  // Of tables without a row then, a comparison says that it proves nothing.
  const differs = checks.filter(({ outcome, rows }) => outcome === "fail" || (outcome === "inconclusive" && rows !== 0));
  return differs.map(({ name }) => name);
}
