// Which set of servers an oplog belongs to, so that the logs of two are never taken for one.
import type { Document } from "mongodb";
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { MongoSession } from "../connect/connect.ts";
import { serverCodeOf } from "../connect/translate.ts";

/** CommandNotFound, and Atlas's own number for what a user or a tier may not do. */
const NOT_OFFERED = new Set([59, 8000]);

/**
 * The id that the set was given when it was made. Where this user may not read the set's configuration, its name stands in, written
 * `set:rs0`: two sets of one name are then not told apart by it, but by the entries themselves, which do not run on from each other.
 * CAPABILITY_MISSING where there is no oplog: a standalone server, or a mongos, behind which there are several.
 */
export async function systemIdentifierOf({
  connection,
  hello,
  command,
}: Pick<MongoSession, "connection" | "hello" | "command">): Promise<string> {
  const { topology, setName } = hello;
  if (topology !== "replica set" || setName === undefined) throw noOplog(connection.label, topology);
  const reply = await command("admin", { replSetGetConfig: 1 }).catch((error: unknown): Document => {
    if (isLifeboatError(error, "SOURCE_PERMISSION") || NOT_OFFERED.has(serverCodeOf(error) ?? 0)) return {};
    throw error; // any other failure is no reason to call the set by another name than yesterday
  });
  const id = reply.config?.settings?.replicaSetId;
  return id === undefined ? `set:${setName}` : String(id);
}

function noOplog(label: string, topology: string): LifeboatError {
  const why = topology === "sharded" ? "a mongos, behind which every shard has an oplog of its own" : "a standalone server, which has none";
  const hint =
    topology === "sharded"
      ? "a sharded cluster's past is kept by its provider; or archive each shard as a source of its own"
      : "start it as a replica set of one member (replication.replSetName, then rs.initiate()): it has an oplog then";
  return new LifeboatError("CAPABILITY_MISSING", `the oplog of ${label} cannot be read: it is ${why}`, { hint });
}
