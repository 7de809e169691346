// Progress of a restore in bytes of rows: from the server's own view of running copies, corrected when a table is done.
import { isLifeboatError } from "../../../core/errors.ts";
import type { Progress } from "../../../ports/progress.ts";
import type { TocEntry } from "../archive/contents.ts";
import type { WalkedArchive } from "../archive/walker.ts";
import type { Client } from "../connect/client.ts";

export interface RowsProgress {
  readonly done: (dumpId: number) => void;
  /** Stops watching; the client is free again afterwards. */
  end(): Promise<void>;
}

/** What is built from rows that are there: it takes long, and no byte of the archive tells how long. */
const BUILT: ReadonlySet<string> = new Set(["INDEX", "CONSTRAINT", "FK CONSTRAINT", "MATERIALIZED VIEW DATA"]);
const BUILDING = "indexes and constraints";
const POLL_MS = 500;
const RUNNING = `
select n.nspname || '.' || c.relname as name, p.bytes_processed::pg_catalog.text as bytes
from pg_catalog.pg_stat_progress_copy p join pg_catalog.pg_class c on c.oid = p.relid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where p.datname = pg_catalog.current_database()`;

/** Asks through `client` twice a second, on servers that can tell (14 and newer); elsewhere only whole tables count. */
export function watchRows(
  client: Client,
  entries: readonly TocEntry[],
  walked: WalkedArchive,
  progress: Progress | undefined,
): RowsProgress {
  if (progress === undefined) return { done: () => {}, end: async () => {} };
  const sizes = blockSizes(walked);
  const names = new Map(entries.filter((entry) => entry.hasData).map((entry) => [entry.dumpId, `${entry.schema}.${entry.name}`]));
  const seen = new Map<string, number>();
  const reach = (name: string, bytes: number): void => {
    const before = seen.get(name) ?? 0;
    if (bytes <= before) return;
    seen.set(name, bytes);
    progress.advance(bytes - before);
  };
  const waiting = new Set(names.keys());
  const building = entries.some(({ kind }) => BUILT.has(kind));
  if (building && waiting.size === 0) progress.phase?.(BUILDING);
  const limits = new Map([...names].map(([dumpId, name]) => [name, sizes.get(dumpId) ?? 0]));
  const poll = async (): Promise<void> => {
    const rows = await client.query<{ name: string; bytes: string }>(RUNNING);
    for (const row of rows) reach(row.name, Math.min(Number(row.bytes), limits.get(row.name) ?? 0));
  };
  let polling: Promise<void> = Promise.resolve();
  let over = client.serverVersionNumber < 140_000;
  const timer = setInterval(() => {
    if (over) return;
    polling = polling.then(poll).catch((error: unknown) => {
      over = true;
      // What breaks this connection breaks the restore's too, which reports it; a server without an answer is not a failure.
      if (isLifeboatError(error, "BUG")) throw error;
    });
  }, POLL_MS);
  return {
    done(dumpId) {
      const name = names.get(dumpId);
      if (name !== undefined) reach(name, sizes.get(dumpId) ?? 0);
      if (waiting.delete(dumpId) && waiting.size === 0 && building) progress.phase?.(BUILDING);
    },
    async end() {
      clearInterval(timer);
      over = true;
      await polling;
    },
  };
}

/** Length of each data block, by dump id. */
function blockSizes(walked: WalkedArchive): Map<number, number> {
  const starts = [...walked.blocks].sort((a, b) => a[1] - b[1]);
  return new Map(starts.map(([dumpId, start], index) => [dumpId, (starts[index + 1]?.[1] ?? walked.sizeBytes) - start]));
}
