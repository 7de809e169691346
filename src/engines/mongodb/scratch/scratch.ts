// Scratch on a server that the configuration names: a database of the job's own there, or, for a source of several databases, a server
// that holds none.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Connection, Work } from "../../../ports/connection.ts";
import type { Scratch, ScratchRequest } from "../../../ports/provider.ts";
import { type Maker, markOf, type Resource, type Undone } from "../../../ports/resource.ts";
import { type MongoSession, openMongo, withMongo } from "../connect/connect.ts";
import { connectionFromUrl, flawOfDatabaseName, serverOf, withDatabase } from "../connect/url.ts";
import { ownDatabase, type SourceScope } from "../scope.ts";
import { assertNotSource } from "../target/identity.ts";
import { clearMark, markFilling, markWithin, readMark, setMark } from "../target/mark.ts";
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
  const { maker, serverMajor, signal, declare } = request;
  const named = connectionFromUrl(url);
  const server = withDatabase(named, undefined);
  const name = nameFor(maker.jobId);
  const several = source.several === true;
  const resource: Resource = {
    kind: SERVER_KIND,
    locator: { server: server.label, ...(several ? {} : { database: name }) },
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
    const mark = markFor(maker, server, several ? undefined : name);
    if (several) await setMark(session, "scratch", mark);
    else await markFilling(session, name, mark);
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
      ending ??= remove(server, maker, several).then(() => undefined);
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

/** The clean-up after a crash. Elsewhere: the configuration now names another server, and only that one holds what is to go. */
export async function undoScratchOnServer(
  url: string | undefined,
  { server: label, database }: Resource["locator"],
  maker: Maker,
  work: Work = {},
): Promise<Undone> {
  if (url === undefined) return "elsewhere";
  const server = withDatabase(connectionFromUrl(url), undefined);
  if (server.label !== label) return "elsewhere";
  if (database !== undefined && database !== nameFor(maker.jobId)) {
    throw new LifeboatError("SCRATCH_FAILED", `${database} is not the scratch database of job ${maker.jobId}; it is left as it is`);
  }
  return await remove(server, maker, database === undefined, work.signal);
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
    // Which of the two was it? The scratch server is used next, and reports it itself.
    await (await openMongo(server, { signal })).close();
  }
}

function nameFor(jobId: string): string {
  const name = ownDatabase(jobId.toLowerCase().replaceAll(/[^a-z0-9_]/g, "_"));
  const flaw = flawOfDatabaseName(name);
  if (flaw !== undefined) throw new LifeboatError("SCRATCH_FAILED", `the job's id ${jobId} makes no name for a database: ${flaw}`);
  return name;
}

const markFor = (maker: Maker, server: Connection, database: string | undefined): string =>
  markOf(maker, SERVER_KIND, server.label, database ?? "");

async function remove(server: Connection, maker: Maker, several: boolean, signal?: AbortSignal): Promise<Undone> {
  return await withMongo(server, { signal, otherwise: "SCRATCH_FAILED" }, async (session) => {
    const name = nameFor(maker.jobId);
    const mark = markFor(maker, server, several ? undefined : name);
    const found = several ? (await readMark(session, "scratch"))?.mark : await markWithin(session, name);
    const [occupant] = found === undefined && !several ? await occupantsOf(session, { database: name }) : [];
    if (found === undefined && occupant === undefined) return "absent";
    if (found !== mark) {
      throw new LifeboatError(
        "SCRATCH_FAILED",
        `${several ? serverOf(server) : name} does not carry the mark of job ${maker.jobId}; it is left as it is`,
      );
    }
    // As long as the job's mark is there, so is nothing but the job's: the server was empty when it was set.
    for (const each of several ? await session.databases() : [name]) await drop(session, each);
    if (!several) return "removed";
    await clearMark(session, "filling");
    await clearMark(session, "scratch");
    return "removed";
  });
}

async function drop(session: MongoSession, name: string): Promise<void> {
  await session.command(name, { dropDatabase: 1, writeConcern: MAJORITY });
}
