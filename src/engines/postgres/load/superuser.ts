import type { Client } from "../connect/client.ts";

export async function isSuperuser(client: Client): Promise<boolean> {
  const [row] = await client.query<{ yes: boolean }>("select rolsuper as yes from pg_catalog.pg_roles where rolname = current_user");
  return row?.yes === true;
}
