// A repository: our versioned root in a storage, who it is, whose signatures count in it, and what is remembered of it.
import type { Storage } from "../ports/storage.ts";
import type { Memory } from "./memory.ts";
import type { Trust } from "./trust.ts";

export interface RepositoryIdentity {
  readonly format: 1;
  /** Random; tells two repositories apart whatever their address. */
  readonly id: string;
  readonly createdAt: string;
  /** age recipients at the time it was made, or `passphrase`; to whom is sealed, the configuration alone says. */
  readonly recipients: readonly string[];
}

export interface Repository {
  readonly storage: Storage;
  readonly identity: RepositoryIdentity;
  /** Whose signatures count, and what this machine signs with. */
  readonly trust: Trust;
  /** What this machine has seen of it before. */
  readonly memory: Memory;
  /** Why its own description cannot be relied upon, in one sentence; absent: it is as it was made. */
  readonly flaw?: string | undefined;
}
