// Commits an empty transaction, so that an idle source's WAL proves the present instant: a tiny message that no table sees.
import type { Connection, Work } from "../../../ports/connection.ts";
import { type Client, openClient } from "../connect/client.ts";
import { directConnection } from "../connect/pooled.ts";
import { sqlStateOf } from "../connect/translate.ts";
import { openWatchdog } from "./watchdog.ts";

const STATEMENT_TIMEOUT_MS = 10_000;
const READ_ONLY = "25006";

/** False where the server takes no commits: a standby. Throws SOURCE_PERMISSION, SOURCE_UNREACHABLE and the like. */
export async function emitCommit(given: Connection, work: Work = {}): Promise<boolean> {
  const connection = directConnection(given);
  const dog = openWatchdog(connection, work.signal);
  return await dog.within(2 * STATEMENT_TIMEOUT_MS, async () => {
    const client = await openClient(connection, { signal: dog.signal, statementTimeoutMs: STATEMENT_TIMEOUT_MS });
    try {
      return await emitBy(client);
    } catch (error) {
      if (sqlStateOf(error) === READ_ONLY) return false;
      throw error;
    } finally {
      await client.close();
    }
  });
}

async function emitBy(client: Client): Promise<boolean> {
  const [row] = await client.query<{ standby: boolean }>("select pg_catalog.pg_is_in_recovery() as standby");
  if (row?.standby) return false;
  // Never waits for a standby: the receiver of this very commit may be the one that is asked for.
  await client.query("set synchronous_commit = local");
  await client.query("select pg_catalog.pg_logical_emit_message(true, 'lifeboat', '')");
  return true;
}
