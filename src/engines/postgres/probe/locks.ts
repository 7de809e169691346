// Locks that keep other sessions waiting, seen by looking often. A lock that is shorter than the pause between two looks may be missed.
import { setTimeout } from "node:timers/promises";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { TableLock } from "../../../ports/probe.ts";
import { openClient } from "../connect/client.ts";

const LOOK_EVERY_MS = 20;

const TABLES = `select c.oid::pg_catalog.text as id, pg_catalog.format('%I.%I', n.nspname, c.relname) as "table"
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = any (array['r', 'p', 'm']::pg_catalog."char"[]) and c.oid >= 16384`;

const LOCKS = `select l.relation::pg_catalog.text as id, l.mode
from pg_catalog.pg_locks l
where l.granted and l.locktype = 'relation' and l.pid <> pg_catalog.pg_backend_pid()
and l.mode = any (array['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock']::pg_catalog.text[])
and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())`;

/** Watches the tables that are there now: on others, no application can be waiting. */
export async function watchLocks(connection: Connection, { signal }: Work = {}): Promise<{ end(): Promise<readonly TableLock[]> }> {
  const client = await openClient(connection, { signal });
  const names = new Map((await client.query<{ id: string; table: string }>(TABLES)).map(({ id, table }) => [id, table]));
  const seen = new Map<string, { readonly table: string; readonly mode: string; heldMs: number }>();
  let isOver = false;
  const watch = async (): Promise<void> => {
    for (let beforeMs = performance.now(); !isOver; ) {
      const found = await client.query<{ id: string; mode: string }>(LOCKS);
      const nowMs = performance.now();
      for (const key of new Set(found.filter(({ id }) => names.has(id)).map(({ id, mode }) => `${id} ${mode}`))) {
        const [id = "", mode = ""] = key.split(" ");
        const lock = seen.get(key) ?? { table: names.get(id) ?? "", mode, heldMs: 0 };
        seen.set(key, { ...lock, heldMs: lock.heldMs + (nowMs - beforeMs) });
      }
      beforeMs = nowMs;
      await setTimeout(LOOK_EVERY_MS, undefined, { signal });
    }
  };
  const watching = watch().catch(() => undefined); // a copy that went away shows no locks
  return {
    async end() {
      isOver = true;
      await watching;
      await client.close();
      return [...seen.values()].map((lock) => ({ ...lock, heldMs: Math.round(lock.heldMs) })).sort((a, b) => b.heldMs - a.heldMs);
    },
  };
}
