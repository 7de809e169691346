// What a server says of itself: version, kind, and what tells it from every other.
import type { Document } from "mongodb";

export interface HelloFacts {
  /** As `7.0.14`. */
  readonly version: string;
  readonly serverMajor: number;
  readonly serverMinor: number;
  /** `standalone`: no oplog and no snapshots. `sharded`: a mongos, in front of several replica sets. */
  readonly topology: "standalone" | "replica set" | "sharded";
  readonly setName?: string | undefined;
  /** Members as the set's configuration names them. */
  readonly hosts: readonly string[];
  /** The member that answered, as its configuration names it. */
  readonly me?: string | undefined;
  /** It takes writes: a primary, a standalone server or a mongos. */
  readonly writable: boolean;
  /** Made anew whenever the server process starts: equal for two connections exactly when they reach the same process. */
  readonly processId?: string | undefined;
  readonly maxBsonObjectSize: number;
  readonly maxMessageSizeBytes: number;
  readonly maxWriteBatchSize: number;
  readonly maxWireVersion: number;
}

type Command = (database: string, command: Document) => Promise<Document>;

export async function readHello(command: Command): Promise<HelloFacts> {
  const hello = await command("admin", { hello: 1 });
  const build = await command("admin", { buildInfo: 1 });
  const version = String(build.version);
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const processId = hello.topologyVersion?.processId;
  return {
    version,
    serverMajor: major,
    serverMinor: minor,
    topology: hello.msg === "isdbgrid" ? "sharded" : hello.setName === undefined ? "standalone" : "replica set",
    ...(hello.setName === undefined ? {} : { setName: String(hello.setName) }),
    hosts: Array.isArray(hello.hosts) ? hello.hosts.map(String) : [],
    ...(hello.me === undefined ? {} : { me: String(hello.me) }),
    writable: hello.isWritablePrimary === true || hello.ismaster === true,
    ...(processId === undefined ? {} : { processId: String(processId) }),
    maxBsonObjectSize: Number(hello.maxBsonObjectSize ?? 16_777_216),
    maxMessageSizeBytes: Number(hello.maxMessageSizeBytes ?? 48_000_000),
    maxWriteBatchSize: Number(hello.maxWriteBatchSize ?? 100_000),
    maxWireVersion: Number(hello.maxWireVersion ?? 0),
  };
}
