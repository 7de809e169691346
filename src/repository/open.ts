// Creates and opens repositories.
import * as z from "zod/mini";
import { isLifeboatError, LifeboatError } from "../core/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Storage } from "../ports/storage.ts";
import { format, instant, list, type Schema, word } from "./fields.ts";
import { backupsFolder, IDENTITY_FILE, idOfFolder, manifestName, sourcesFolder } from "./layout.ts";
import { manifestSchema } from "./manifest-schema.ts";
import { type Memory, openForgetful } from "./memory.ts";
import type { Repository, RepositoryIdentity } from "./repository.ts";
import { getSigned, putSigned } from "./signed.ts";
import type { Trust } from "./trust.ts";

/** The id is also part of file names on this machine. */
export const identitySchema: Schema<RepositoryIdentity> = z.looseObject({
  format,
  id: z.string().check(z.regex(/^[0-9a-f]{20}$/)),
  createdAt: instant,
  recipients: list(word),
});

/** Creates a repository. Throws REPOSITORY_EXISTS without changing an existing one, KEY_MISSING without a writer key. */
export async function createRepository(storage: Storage, recipients: readonly string[], clock: Clock, trust: Trust): Promise<Repository> {
  const id = Buffer.from(clock.randomBytes(10)).toString("hex");
  const identity: RepositoryIdentity = { format: 1, id, createdAt: clock.now().toISOString(), recipients };
  const repository = { storage, identity, trust, memory: openForgetful() };
  try {
    await putSigned(repository, "repository", IDENTITY_FILE, identity, { ifAbsent: true });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
    throw new LifeboatError("REPOSITORY_EXISTS", `there is a repository at ${storage.url} already`, { cause: error });
  }
  storage.anchor?.(IDENTITY_FILE);
  return repository;
}

/**
 * Opens a repository. From now on nothing is read or written while its description is not there. `memory` receives its id. Throws
 * NO_REPOSITORY, FORMAT_UNKNOWN for a newer format. A damaged or unsigned description is only a flaw, because a restore requires only a
 * signed manifest.
 */
export async function openRepository(
  storage: Storage,
  trust: Trust,
  memory: (id: string) => Memory = openForgetful,
  signal?: AbortSignal,
): Promise<Repository> {
  const nameless = { storage, trust, memory: openForgetful(), identity: { format: 1, id: "", createdAt: "", recipients: [] } } as const;
  let flaw: string;
  let stated = "unknown";
  try {
    const found = await getSigned(nameless, "repository", IDENTITY_FILE, identitySchema, signal);
    if (found === undefined) throw new LifeboatError("NO_REPOSITORY", `there is no repository at ${storage.url}`);
    storage.anchor?.(IDENTITY_FILE);
    if (found.signedBy !== undefined) return { storage, trust, identity: found.value, memory: memory(found.value.id) };
    stated = found.value.id;
    flaw = `${IDENTITY_FILE} in ${storage.url} is not signed by a trusted key`;
  } catch (error) {
    if (!isLifeboatError(error, "INTEGRITY")) throw error;
    flaw = error.message;
  }
  const id = (await idFromManifests(nameless, signal)) ?? stated;
  return { storage, trust, identity: { ...nameless.identity, id }, memory: memory(id), flaw };
}

/** Reads the repository's id from a signed manifest. Undefined: there is none, and no stored object is accepted. */
async function idFromManifests(nameless: Repository, signal: AbortSignal | undefined): Promise<string | undefined> {
  const { storage } = nameless;
  for await (const source of storage.listFolders(sourcesFolder, { signal })) {
    for await (const folder of storage.listFolders(backupsFolder(source), { signal })) {
      if (idOfFolder(folder) === undefined) continue;
      const name = manifestName(source, folder);
      const found = await getSigned(nameless, "manifest", name, manifestSchema, signal).catch(() => undefined);
      const { repository } = (found?.value ?? {}) as { readonly repository?: unknown };
      if (found?.signedBy !== undefined && typeof repository === "string" && /^[0-9a-f]{20}$/.test(repository)) return repository;
    }
  }
  return undefined;
}
