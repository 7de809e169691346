// A connection to the queue's database that is made again when it was lost. TLS, login and session settings are those of every other
// connection to PostgreSQL.
import pg from "pg";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type Client, openClient } from "../../engines/postgres/connect/client.ts";
import { translateError } from "../../engines/postgres/connect/translate.ts";
import type { Connection } from "../../ports/connection.ts";

export interface Rows {
  // biome-ignore lint/suspicious/noExplicitAny: pg-boss declares its own rows
  rows: any[];
}

export class Link {
  readonly #connection: Connection;
  #client: Promise<Client> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Runs a statement after those before it. Values come as the library reads them: instants as dates. QUEUE_UNREACHABLE, QUEUE_REFUSED. */
  executeSql(text: string, values?: unknown[]): Promise<Rows> {
    const next = this.#last.then(() => this.#execute(text, values));
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #execute(text: string, values?: unknown[]): Promise<Rows> {
    this.#client ??= openClient(this.#connection, { applicationName: "lifeboat queue" });
    const opening = this.#client;
    try {
      const { raw } = await opening;
      return await raw.query({ text, ...(values && { values }), types: pg.types });
    } catch (error) {
      const translated = translateError(error, this.#connection);
      // Of an error of the statement the connection is whole. Of any other, the next statement begins with a new one.
      if (isStatement(error)) throw error;
      if (this.#client === opening) this.#client = undefined;
      await this.#end(opening);
      throw asQueueError(translated);
    }
  }

  async close(): Promise<void> {
    const open = this.#client;
    this.#client = undefined;
    if (open !== undefined) await this.#end(open);
  }

  async #end(client: Promise<Client>): Promise<void> {
    await client.then(
      (one) => one.close(),
      () => undefined,
    );
  }
}

/** The server answered with an error of the statement, and keeps the connection. Class 57 ends it, class 08 is about it. */
const isStatement = (error: unknown): boolean => error instanceof pg.DatabaseError && !/^(57P|08)/.test(error.code ?? "");

/** What concerns a source elsewhere concerns the queue here. */
export function asQueueError(error: unknown): LifeboatError {
  if (isLifeboatError(error, "QUEUE_UNREACHABLE") || isLifeboatError(error, "QUEUE_REFUSED")) return error;
  const message = error instanceof Error ? error.message : String(error);
  const refused =
    isLifeboatError(error, "SOURCE_AUTH") ||
    isLifeboatError(error, "SOURCE_PERMISSION") ||
    isLifeboatError(error, "SOURCE_POOLED") ||
    isStatement(error);
  return new LifeboatError(refused ? "QUEUE_REFUSED" : "QUEUE_UNREACHABLE", `the queue: ${message}`, { cause: error });
}
