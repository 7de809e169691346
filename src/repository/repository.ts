// A repository: our versioned root in a storage. Opening one reads who it is; everything else lies under its layout.
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/storage.ts";
import { getJson, putJson } from "./json-object.ts";
import { IDENTITY_FILE } from "./layout.ts";
import type { Trust } from "./trust.ts";

export interface RepositoryIdentity {
  readonly format: 1;
  /** Random; tells two repositories apart whatever their address. */
  readonly id: string;
  readonly createdAt: string;
  /** age recipients every backup is sealed to, or `passphrase`. */
  readonly recipients: readonly string[];
}

export interface Repository {
  readonly storage: Storage;
  readonly identity: RepositoryIdentity;
  /** Whose signatures count, and what this machine signs with. */
  readonly trust: Trust;
}

/** Makes a repository. An existing one: REPOSITORY_EXISTS, and nothing is changed. */
export async function createRepository(storage: Storage, recipients: readonly string[], clock: Clock, trust: Trust): Promise<Repository> {
  const identity: RepositoryIdentity = {
    format: 1,
    id: Buffer.from(clock.randomBytes(10)).toString("hex"),
    createdAt: clock.now().toISOString(),
    recipients,
  };
  try {
    await putJson(storage, IDENTITY_FILE, identity, { ifAbsent: true });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
    throw new LifeboatError("REPOSITORY_EXISTS", `there is a repository at ${storage.url} already`, { cause: error });
  }
  return { storage, identity, trust };
}

/** Opens a repository. None there: NO_REPOSITORY. A format of the future: FORMAT_UNKNOWN. */
export async function openRepository(storage: Storage, trust: Trust, signal?: AbortSignal): Promise<Repository> {
  const found = await getJson(storage, IDENTITY_FILE, signal);
  if (found === undefined) throw new LifeboatError("NO_REPOSITORY", `there is no repository at ${storage.url}`);
  if (found.format !== 1) {
    throw new LifeboatError(
      "FORMAT_UNKNOWN",
      `the repository at ${storage.url} has format ${String(found.format)}; this version knows format 1`,
    );
  }
  const { id, createdAt, recipients } = found;
  if (typeof id !== "string" || typeof createdAt !== "string" || !Array.isArray(recipients)) {
    throw new LifeboatError("INTEGRITY", `${IDENTITY_FILE} in ${storage.url} is damaged: id, createdAt or recipients are missing`);
  }
  return { storage, identity: { format: 1, id, createdAt, recipients: recipients.map(String) }, trust };
}
