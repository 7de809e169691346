// How to reach the data of a branch: its compute, its database, its role, and a compute that is awake.
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggest.ts";
import { openClient } from "../../engines/postgres/connect/client.ts";
import { directConnection } from "../../engines/postgres/connect/pooled.ts";
import { connectionFromUrl } from "../../engines/postgres/connect/url.ts";
import type { Connection, Work } from "../../ports/connection.ts";
import { sleep } from "../http/timeouts.ts";
import type { Account } from "./account.ts";
import type { NeonBranch, NeonCompute } from "./api/types.ts";

export interface AccessOptions {
  /** Adds a compute to a branch without one. A source is never given one: that it has none is for its owner to know. */
  readonly mayAddCompute: boolean;
}

/**
 * A direct connection to a branch, with its compute started, so that no client waits for a cold start behind a short deadline.
 * PROVIDER_NOT_FOUND where compute, database or role are missing.
 */
export async function connectionTo(
  account: Account,
  branch: NeonBranch,
  { mayAddCompute }: AccessOptions,
  work?: Work,
): Promise<Connection> {
  const { api, options } = account;
  const compute = await computeOf(account, branch, mayAddCompute, work);
  const databases = (await api.databases(branch.id, work)).toSorted((a, b) => a.id - b.id);
  const database = options.database === undefined ? databases[0] : databases.find(({ name }) => name === options.database);
  if (database === undefined) {
    const names = databases.map(({ name }) => name);
    const what = options.database === undefined ? "no database" : `no database ${options.database}${didYouMean(options.database, names)}`;
    throw new LifeboatError("PROVIDER_NOT_FOUND", `the branch ${branch.name} has ${what}`);
  }
  if (compute.state !== "active") await api.startCompute(compute.id, work);
  const role = options.role ?? database.owner;
  const uri = await api.connectionUri({ branchId: branch.id, computeId: compute.id, database: database.name, role }, work);
  const connection = directConnection(connectionFromUrl(uri));
  await untilReachable(connection, account, work);
  return connection;
}

const PAUSE_MS = 500;
/** Computes usually wake sooner; then there is nothing to say. */
const QUIET_MS = 5_000;

/** Connects once, patiently: a compute that wakes, or a host name that is new, refuses the first tries. */
async function untilReachable(connection: Connection, { clock, timeouts }: Account, work?: Work): Promise<void> {
  const startedMs = clock.monotonicMs();
  const leftMs = (): number => timeouts.coldStartMs - (clock.monotonicMs() - startedMs);
  const note = setTimeout(() => work?.progress?.note(`waiting for ${connection.label} to wake`), QUIET_MS);
  try {
    while (leftMs() > 0) {
      try {
        const client = await openClient(connection, { signal: work?.signal, connectTimeoutMs: leftMs() });
        return await client.close();
      } catch (error) {
        if (!isLifeboatError(error, "SOURCE_UNREACHABLE") || leftMs() <= PAUSE_MS) throw error;
        await sleep(PAUSE_MS, work?.signal);
      }
    }
  } finally {
    clearTimeout(note);
  }
}

async function computeOf({ api }: Account, branch: NeonBranch, mayAdd: boolean, work?: Work): Promise<NeonCompute> {
  const compute = (await api.computes(branch.id, work)).find(({ writable }) => writable);
  if (compute?.disabled) {
    throw new LifeboatError("PROVIDER_REFUSED", `the compute ${compute.id} of the branch ${branch.name} is disabled`, {
      hint: "enable it in Neon's console, then run `lifeboat check SOURCE`",
    });
  }
  if (compute !== undefined) return compute;
  if (mayAdd) return await api.createCompute(branch.id, work);
  throw new LifeboatError("PROVIDER_NOT_FOUND", `the branch ${branch.name} has no compute that can write, so nothing can connect to it`, {
    hint: `add one in Neon's console, or run \`neon branches add-compute ${branch.name} --type read_write\``,
  });
}
