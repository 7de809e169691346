// What the configuration says about a MongoDB source that a team runs itself, or that any host runs for it.

export interface MongodbProviderOptions {
  /** Address of the source: with the database to protect, or without one for several. May hold a password. */
  readonly url: string;
  readonly scratch?: ScratchOptions | undefined;
  /** Directories with MongoDB's programs; absent: they are looked for on the PATH. */
  readonly tools?: string | readonly string[] | undefined;
}

export interface ScratchOptions {
  /** A server to restore backups into for a drill; absent: a `mongod` of this machine. May hold a password. Read when it is needed. */
  readonly url?: string | undefined;
  /** Where throw-away servers keep their data; absent: the system's directory for temporary files. */
  readonly directory?: string | undefined;
  /** Who runs a throw-away server when Lifeboat runs as root; absent: `mongodb` and its like, else `nobody`. */
  readonly user?: string | undefined;
}
