// The database that is measured: a shop with three large tables, about 120 bytes a row, indexes and foreign keys.
import { openClient } from "../src/engines/postgres/connect/client.ts";
import type { Connection } from "../src/ports/connection.ts";

/** Fills the (empty) database; a tenth of the rows are users, three tenths orders, the rest items. Returns its size in words. */
export async function buildDatabase(connection: Connection, millionRows: number): Promise<string> {
  const rows = millionRows * 1_000_000;
  const users = Math.round(rows / 10);
  const orders = Math.round((rows * 3) / 10);
  const items = rows - users - orders;
  const client = await openClient(connection);
  await client.query("set search_path to public");
  try {
    for (const statement of [
      "create table users (id bigint, email text, name text, bio text, created_at timestamptz, score numeric(10,2), active boolean)",
      "create table orders (id bigint, user_id bigint, state text, placed_at timestamptz, total numeric(12,2), address jsonb, note text)",
      "create table items (id bigint, order_id bigint, sku text, quantity int, price numeric(10,2), description text)",
      `insert into users select n, 'user' || n || '@example.com', 'Name ' || md5(n::text), repeat(md5((n * 7)::text) || ' ', 3),
         timestamptz '2020-01-01' + n * interval '37 seconds', (n % 100000) / 7.0, n % 3 > 0 from generate_series(1, ${users}) n`,
      `insert into orders select n, 1 + n % ${users}, (array['placed','paid','sent','done'])[1 + n % 4], timestamptz '2021-01-01' + n * interval '11 seconds',
         (n % 1000000) / 3.0, jsonb_build_object('street', 'Street ' || n % 9999, 'city', md5((n % 977)::text), 'zip', n % 99999), md5(n::text) || md5((n + 1)::text)
         from generate_series(1, ${orders}) n`,
      `insert into items select n, 1 + n % ${orders}, 'SKU-' || n % 50000, 1 + n % 9, (n % 10000) / 9.0, md5(n::text) || ' ' || md5((n / 3)::text)
         from generate_series(1, ${items}) n`,
      "alter table users add primary key (id)",
      "alter table orders add primary key (id)",
      "alter table items add primary key (id)",
      "create index on orders (user_id)",
      "create index on items (order_id)",
      "alter table orders add foreign key (user_id) references users (id)",
      "vacuum analyze",
    ]) {
      await client.query(statement);
    }
    const [facts] = await client.query<{ size: string; rows: string }>(
      "select pg_size_pretty(pg_database_size(current_database())) as size, pg_size_pretty(sum(pg_table_size(oid))) as rows from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace",
    );
    return `${facts?.rows} of rows, ${facts?.size} on disk`;
  } finally {
    await client.close();
  }
}
