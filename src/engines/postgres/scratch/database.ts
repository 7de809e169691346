// Scratch on a server that the configuration names: a database of its own, dropped at the end.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import { loaderMark, type Maker, markOf, type Resource, type Undone } from "../../../ports/resource.ts";
import { openClient } from "../connect/client.ts";
import { assertNotSource } from "../connect/identity.ts";
import { connectionFromUrl, withDatabase } from "../connect/url.ts";
import { dropLoader } from "../load/loader-role.ts";
import { markDatabase } from "../load/own-database.ts";
import { dropDatabase } from "../load/target.ts";
import type { ScratchOptions } from "./options.ts";

export const DATABASE_KIND = "scratch-database";
const PREFIX = "lifeboat_scratch_";
const LONGEST_NAME_BYTES = 63;

/**
 * Refuses, before anything is made, without the configuration's consent (ISOLATION_MISSING), a server whose named database is the source
 * itself (SOURCE_WRITE_REFUSED), and one that is older than the data (SCRATCH_FAILED).
 */
export async function beginScratchDatabase(
  options: ScratchOptions,
  url: string,
  source: Connection,
  request: ScratchRequest,
): Promise<Scratch> {
  const { maker, serverMajor, signal, declare } = request;
  requireConsent(options);
  const server = connectionFromUrl(url);
  const name = nameFor(maker.jobId);
  const resource: Resource = { kind: DATABASE_KIND, locator: { server: server.label, database: name } };
  await refuseSource(source, server, signal);
  const client = await openClient(server, { signal });
  let major: number;
  try {
    major = Math.floor(client.serverVersionNumber / 10_000);
    if (major < serverMajor) {
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `the scratch server ${server.label} is PostgreSQL ${major}, older than the data's ${serverMajor}`,
      );
    }
    await declare(resource);
    await client.query(`create database ${name} template template0`).catch((cause) => {
      throw new LifeboatError("SCRATCH_FAILED", `the database ${name} cannot be made on ${server.label}: ${cause.message}`, { cause });
    });
    await markDatabase(client, name, markFor(maker, server, name));
  } finally {
    await client.close();
  }
  let ending: Promise<void> | undefined;
  return {
    connection: withDatabase(server, name),
    description: `a database of its own on the scratch server ${server.label} (PostgreSQL ${major})`,
    resource,
    ownServer: false,
    isolation: "none",
    end() {
      // Without the job's signal: what was made is removed also when the job was cancelled.
      ending ??= drop(server, maker).then(() => undefined);
      return ending;
    },
  };
}

/** On such a server no cell keeps the code of a restored database in: ISOLATION_MISSING, unless the configuration accepts that. */
function requireConsent({ isolation = "required" }: ScratchOptions): void {
  if (isolation === "none") return;
  throw new LifeboatError("ISOLATION_MISSING", "a scratch server that is given by its address cannot be isolated from here", {
    hint: "remove scratch.url to drill on this machine, or accept the risk with `scratch.isolation: none`",
  });
}

/** Whether the server answers and lets this user create databases: SOURCE_* or SOURCE_PERMISSION when not. */
export async function checkScratchServer(options: ScratchOptions, url: string, work: Work = {}): Promise<string> {
  requireConsent(options);
  const server = connectionFromUrl(url);
  const client = await openClient(server, { signal: work.signal });
  try {
    const [role] = await client.query<{ may: boolean }>(
      "select rolcreatedb or rolsuper as may from pg_catalog.pg_roles where rolname = current_user",
    );
    if (role?.may) return `databases can be made on the scratch server ${server.label}`;
    throw new LifeboatError("SOURCE_PERMISSION", `the user of the scratch server ${server.label} may not create databases`, {
      hint: "grant CREATEDB to this role, or give scratch.url a role that has it",
    });
  } finally {
    await client.close();
  }
}

/** The clean-up after a crash. Elsewhere: the configuration now names another server, and only that one holds the database. */
export async function undoScratchDatabase(
  url: string | undefined,
  { server: label, database = "" }: Resource["locator"],
  maker: Maker,
  work: Work = {},
): Promise<Undone> {
  if (url === undefined) return "elsewhere";
  const server = connectionFromUrl(url);
  if (server.label !== label) return "elsewhere";
  if (database !== nameFor(maker.jobId)) {
    throw new LifeboatError("SCRATCH_FAILED", `${database} is not the scratch database of job ${maker.jobId}; it is left as it is`);
  }
  return await drop(server, maker, work.signal);
}

/** A source that is down cannot be written to, and must not keep a drill from running. */
async function refuseSource(source: Connection, server: Connection, signal: AbortSignal | undefined): Promise<void> {
  try {
    await assertNotSource(source, server, { signal });
  } catch (error) {
    if (!(error instanceof LifeboatError) || error.code !== "SOURCE_UNREACHABLE") throw error;
    // Either of the two may be down. The scratch server is used next, and reports it itself.
    await (await openClient(server, { signal })).close();
  }
}

function nameFor(jobId: string): string {
  const name = PREFIX + jobId.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_");
  if (Buffer.byteLength(name) > LONGEST_NAME_BYTES)
    throw new LifeboatError("SCRATCH_FAILED", `the job's id ${jobId} is too long for a database name`);
  return name;
}

const markFor = (maker: Maker, server: Connection, name: string): string => markOf(maker, DATABASE_KIND, server.label, name);

/** First the database, then the role that loaded it: a role can be dropped when it owns nothing. */
async function drop(server: Connection, maker: Maker, signal?: AbortSignal): Promise<Undone> {
  const name = nameFor(maker.jobId);
  const undone = await dropDatabase(server, name, { mark: markFor(maker, server, name), signal });
  const role = await dropLoader(server, maker.jobId, { mark: loaderMark(maker), signal });
  return undone === "removed" ? undone : role;
}
