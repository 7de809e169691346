// How to reach the data of a cluster: what Atlas tells, with the database user put in.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { openMongo } from "../../engines/mongodb/connect/connect.ts";
import { connectionFromParts, parseMongoUrl } from "../../engines/mongodb/connect/url.ts";
import type { Connection, Work } from "../../ports/connection.ts";
import { isLoopback } from "../http/call.ts";
import { sleep } from "../http/timeouts.ts";
import type { Account } from "./account.ts";
import type { AtlasCluster } from "./api/types.ts";

/**
 * A connection to a cluster. TLS is as Atlas's own string says, which is always on and never below the cluster's minimum.
 * SECRET_MISSING without a database user; PROVIDER_REFUSED for a cluster that is paused; PROVIDER_BUSY for one without an address yet.
 */
export function connectionOf({ options }: Account, cluster: AtlasCluster): Connection {
  const { name, paused, connectionStrings } = cluster;
  if (paused) {
    throw new LifeboatError("PROVIDER_REFUSED", `the cluster ${name} is paused, so nothing can connect to it`, {
      hint: `resume it in Atlas, or run \`atlas clusters start ${name}\``,
    });
  }
  // All its hosts by name, which needs no lookup of services; the short form where Atlas gives no other.
  const text = connectionStrings.standard ?? connectionStrings.srv;
  if (text === undefined) {
    throw new LifeboatError("PROVIDER_BUSY", `the cluster ${name} has no address yet (${cluster.state})`);
  }
  const { database: _, user: _user, password: _password, ...parts } = parseMongoUrl(text);
  const { user, password, database } = options;
  const isHere = parts.hosts.every((host) => isLoopback(host.replace(/:\d+$/, "")));
  if ((user === undefined || password === undefined) && !(isHere && user === undefined && password === undefined)) {
    const what = user === undefined ? "the database user" : "the password of the database user";
    throw new LifeboatError("SECRET_MISSING", `${what} of the cluster ${name} is not given`, {
      hint: "set user and password in the source, or the variables ATLAS_USER and ATLAS_PASSWORD",
    });
  }
  return connectionFromParts({
    ...parts,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password: password.read() }),
    ...(database === undefined ? {} : { database }),
  });
}

const LOGIN_MS = 10_000;

/**
 * A missing secret or a wrong password is told before a cluster is paid for, or production is emptied: users belong to the project. A
 * source that does not answer tells nothing, for that may be why it is restored. SECRET_MISSING, SOURCE_AUTH.
 */
export async function requireLogin(account: Account, cluster: AtlasCluster, work?: Work): Promise<void> {
  const connection = connectionOf(account, cluster);
  try {
    const session = await openMongo(connection, { signal: work?.signal, connectTimeoutMs: LOGIN_MS, poolSize: 1 });
    await session.close();
  } catch (error) {
    work?.signal?.throwIfAborted();
    if (!isLifeboatError(error) || error.code === "SOURCE_AUTH") throw error;
  }
}

const PAUSE_MS = 1_000;
const QUIET_MS = 5_000;

/**
 * Connects once, patiently, to a cluster that was just made or restored: its name takes a while to be known, a restored one elects its
 * primary anew, and users of the project reach it some seconds after it is there. SOURCE_UNREACHABLE, SOURCE_AUTH.
 */
export async function untilReachable({ clock, timeouts }: Account, connection: Connection, work?: Work): Promise<void> {
  const startedMs = clock.monotonicMs();
  const leftMs = (): number => timeouts.connectMs - (clock.monotonicMs() - startedMs);
  let refusedMs: number | undefined;
  /** Whether the same attempt may succeed a little later. */
  const mayPass = (error: unknown): boolean => {
    if (isLifeboatError(error, "SOURCE_UNREACHABLE")) return true;
    if (!isLifeboatError(error, "SOURCE_AUTH")) return false;
    const nowMs = clock.monotonicMs();
    if (refusedMs === undefined) {
      refusedMs = nowMs;
      work?.progress?.note(`waiting for ${connection.label} to know its database user`);
    }
    return nowMs - refusedMs + PAUSE_MS <= timeouts.loginMs;
  };
  const note = setTimeout(() => work?.progress?.note(`waiting for ${connection.label} to answer`), QUIET_MS);
  try {
    while (leftMs() > 0) {
      try {
        const session = await openMongo(connection, { signal: work?.signal, connectTimeoutMs: Math.min(15_000, leftMs()), poolSize: 1 });
        return await session.close();
      } catch (error) {
        if (!mayPass(error) || leftMs() <= PAUSE_MS) throw error;
        await sleep(PAUSE_MS, work?.signal);
      }
    }
  } finally {
    clearTimeout(note);
  }
}
