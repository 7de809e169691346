// Who keeps a table locked against readers, in words: what an operator has to end is a session or a prepared transaction.
import { quoteText } from "../connect/quote.ts";
import type { Session } from "./session.ts";

const LOCKERS = `select pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) as name, x.gid as gid, l.pid as pid
  from pg_catalog.pg_locks l
  join pg_catalog.pg_class c on c.oid = l.relation and c.relkind in ('r', 'p', 'm', 'f')
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace and n.nspname !~ '^pg_'
  left join pg_catalog.pg_locks own on l.pid is null and own.pid is null and own.virtualtransaction = l.virtualtransaction and own.locktype = 'transactionid'
  left join pg_catalog.pg_prepared_xacts x on x.transaction = own.transactionid
  where l.locktype = 'relation' and l.granted and l.mode = 'AccessExclusiveLock' and (l.pid is not null or x.gid is not null)
    and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
  order by x.gid is null, 1 limit 1`;

export interface Locker {
  /** `public.orders is locked by session 4711`. */
  readonly words: string;
  readonly hint: string;
}

/** Of several, a prepared transaction first: it ends by no restart. Undefined: the lock is gone, or the server does not say. */
export async function lockerOf(session: Session): Promise<Locker | undefined> {
  const [row] = (await session.query(LOCKERS).catch(() => ({ rows: [] }))).rows as {
    name: string;
    gid: string | null;
    pid: number | null;
  }[];
  if (row === undefined) return undefined;
  const { name, gid, pid } = row;
  if (gid === null) {
    const hint = `\`select * from pg_catalog.pg_stat_activity where pid = ${pid}\` shows it; wait until it ends, or end it`;
    return { words: `${name} is locked by session ${pid}`, hint };
  }
  const quoted = quoteText(gid);
  const hint = `end it as its application would: \`commit prepared ${quoted}\` or \`rollback prepared ${quoted}\``;
  return { words: `${name} is locked by the prepared transaction ${quoted}`, hint };
}
