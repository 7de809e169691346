// A repository: a versioned root in a storage, with its identity, its trusted keys, and this machine's memory of it.
import type { Storage } from "../ports/storage.ts";
import type { Memory } from "./memory.ts";
import type { Trust } from "./trust.ts";

export interface RepositoryIdentity {
  readonly format: 1;
  /** Random. Distinguishes repositories independent of their URL. */
  readonly id: string;
  readonly createdAt: string;
  /** The age recipients when it was created, or `passphrase`. Backups are sealed to the recipients of the configuration only. */
  readonly recipients: readonly string[];
}

export interface Repository {
  readonly storage: Storage;
  readonly identity: RepositoryIdentity;
  /** The trusted keys and this machine's writer key. */
  readonly trust: Trust;
  /** This machine's memory of it. */
  readonly memory: Memory;
  /** Why its description is not trusted, in one sentence. Absent: it is intact. */
  readonly flaw?: string | undefined;
}
