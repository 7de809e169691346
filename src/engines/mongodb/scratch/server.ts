// Scratch on a server that the configuration names: a database of the job's own there, or, for a source of several databases, a server
// that holds none.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import type { Resource } from "../../../ports/resource.ts";
import { type MongoSession, openMongo, withMongo } from "../connect/client.ts";
import { connectionFromUrl, flawOfDatabaseName, serverOf, withDatabase } from "../connect/url.ts";
import { ownDatabase, type SourceScope } from "../scope.ts";
import { assertNotSource } from "../target/identity.ts";
import { clearMark, readMark, setMark } from "../target/mark.ts";
import { occupantsOf } from "../target/target.ts";

export const SERVER_KIND = "mongodb-scratch";
const MAJORITY = { w: "majority", wtimeout: 60_000 };

/** What a source is: its connection, and what that means. */
export interface ScratchSource extends SourceScope {
  readonly connection: Connection;
}

/**
 * Refuses, before anything is made, a server that is the source's own, unless its address names another database there
 * (SOURCE_WRITE_REFUSED), one that is older than the data, and for several databases one that holds any (SCRATCH_FAILED).
 */
export async function beginScratchOnServer(url: string, source: ScratchSource, request: ScratchRequest): Promise<Scratch> {
  const { jobId, serverMajor, signal, declare } = request;
  const named = connectionFromUrl(url);
  const server = withDatabase(named, undefined);
  const name = nameFor(jobId);
  const several = source.several === true;
  const resource: Resource = {
    kind: SERVER_KIND,
    locator: { server: server.label, jobId, ...(several ? {} : { database: name }) },
  };
  await refuseSource(source, several ? server : named, signal);
  const major = await withMongo(server, { signal, otherwise: "SCRATCH_FAILED" }, async (session) => {
    if (session.hello.serverMajor < serverMajor) {
      const { version } = session.hello;
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `the scratch server ${serverOf(server)} is MongoDB ${version}, older than the data's ${serverMajor}`,
      );
    }
    const [occupant] = await occupantsOf(session, several ? {} : { database: name });
    if (occupant !== undefined) throw occupied(server, occupant, several);
    await declare(resource);
    if (several) await setMark(session, "scratch", [jobId]);
    return session.hello.serverMajor;
  });
  let ending: Promise<void> | undefined;
  return {
    connection: several ? server : withDatabase(server, name),
    description: `${several ? "databases" : "a database of its own"} on the scratch server ${serverOf(server)} (MongoDB ${major})`,
    resource,
    ownServer: false,
    end() {
      // Without the job's signal: what was made is removed also when the job was cancelled.
      ending ??= remove(server, jobId, several);
      return ending;
    },
  };
}

/** Whether the server answers, and lets this user make databases: SOURCE_* when not. */
export async function checkScratchServer(url: string, source: ScratchSource, serverMajor: number, work: Work = {}): Promise<string> {
  const named = connectionFromUrl(url);
  const server = withDatabase(named, undefined);
  await refuseSource(source, source.several === true ? server : named, work.signal);
  return await withMongo(server, { signal: work.signal, otherwise: "SCRATCH_FAILED" }, async (session) => {
    if (session.hello.serverMajor < serverMajor) {
      const { version } = session.hello;
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `the scratch server ${serverOf(server)} is MongoDB ${version}, older than the data's ${serverMajor}`,
      );
    }
    if (source.several !== true)
      return `databases can be made on the scratch server ${serverOf(server)} (MongoDB ${session.hello.version})`;
    const [occupant] = await occupantsOf(session, {});
    if (occupant !== undefined) throw occupied(server, occupant, true);
    return `the scratch server ${serverOf(server)} (MongoDB ${session.hello.version}) holds no database: several can be restored there`;
  });
}

/** The clean-up after a crash. False when the configuration now names another server: only that one holds what is to go. */
export async function undoScratchOnServer(url: string | undefined, locator: Resource["locator"], work: Work = {}): Promise<boolean> {
  const { server: label, database, jobId = "" } = locator;
  if (url === undefined) return false;
  const server = withDatabase(connectionFromUrl(url), undefined);
  if (server.label !== label) return false;
  if (database !== undefined && database !== nameFor(jobId)) {
    throw new LifeboatError("SCRATCH_FAILED", `${database} is not the scratch database of job ${jobId}; it is left as it is`);
  }
  await remove(server, jobId, database === undefined, work.signal);
  return true;
}

function occupied(server: Connection, occupant: string, several: boolean): LifeboatError {
  if (!several)
    return new LifeboatError("SCRATCH_FAILED", `the scratch server ${serverOf(server)} already holds ${occupant} under the job's name`);
  return new LifeboatError(
    "SCRATCH_FAILED",
    `the scratch server ${serverOf(server)} is not empty (it holds ${occupant}), and the source's databases keep their names`,
    {
      hint: "give scratch.url a server without databases of its own",
    },
  );
}

/** A source that is down cannot be written to, and must not keep a drill from running. */
async function refuseSource(source: ScratchSource, server: Connection, signal: AbortSignal | undefined): Promise<void> {
  try {
    await assertNotSource(source.connection, server, source, { signal });
  } catch (error) {
    if (!isLifeboatError(error, "SOURCE_UNREACHABLE")) throw error;
    // Which of the two was it? The scratch server is about to be needed, and says so itself.
    await (await openMongo(server, { signal })).close();
  }
}

function nameFor(jobId: string): string {
  const name = ownDatabase(jobId.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_"));
  const flaw = flawOfDatabaseName(name);
  if (flaw !== undefined) throw new LifeboatError("SCRATCH_FAILED", `the job's id ${jobId} makes no name for a database: ${flaw}`);
  return name;
}

async function remove(server: Connection, jobId: string, several: boolean, signal?: AbortSignal): Promise<void> {
  await withMongo(server, { signal, otherwise: "SCRATCH_FAILED" }, async (session) => {
    if (!several) return await drop(session, nameFor(jobId));
    // As long as the job's mark is there, so is nothing but the job's: the server was empty when it was set.
    if ((await readMark(session, "scratch"))?.[0] !== jobId) return;
    for (const name of await session.databases()) await drop(session, name);
    await clearMark(session, "filling");
    await clearMark(session, "scratch");
  });
}

async function drop(session: MongoSession, name: string): Promise<void> {
  await session.command(name, { dropDatabase: 1, writeConcern: MAJORITY });
}
