// The interface between the server and its authentication, and what a connection remembers.
import type { Document } from "bson";

/** What a connection remembers between its commands. */
export interface ConnectionState {
  readonly id: number;
  /** True once the client has authenticated. Not asked where no users are configured. */
  authenticated: boolean;
  user?: string | undefined;
  /** What the authenticator keeps between the steps of one conversation. */
  conversation?: unknown;
}

/** Answers `saslStart`, `saslContinue`, `logout`, `authenticate`; `auth/authenticator.ts` exports `openAuthenticator(users)`. */
export interface Authenticator {
  /** Whether the command, by its name, is one of authentication. */
  handles(command: string): boolean;
  /**
   * The reply's fields without `ok`. A refusal is thrown as `CommandError(18, "Authentication failed.")` of errors.ts.
   * Sets `connection.authenticated` when it is done. Values of `body` are typed (Int32, Long, Binary), never promoted.
   */
  run(command: string, body: Document, db: string, connection: ConnectionState): Document | Promise<Document>;
  /** What `hello` gets in addition: `saslSupportedMechs` when it was asked for, `speculativeAuthenticate` when it began a conversation. */
  hello(body: Document, connection: ConnectionState): Document | Promise<Document>;
}

export interface SandboxUser {
  readonly user: string;
  readonly password: string;
}
