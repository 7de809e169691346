// COPY … FROM STDIN over an ordinary connection, so that it can be part of a transaction with other statements.
import type { Duplex } from "node:stream";
import type pg from "pg";
import type { Client } from "../connect/client.ts";
import { translateError } from "../connect/translate.ts";

/** What the client library hands to a query that speaks the protocol by itself. */
interface Wire {
  readonly stream: Duplex;
  query(text: string): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}

/** Runs the statement and sends the rows. Throws what the server, the network or `rows` says; the connection stays usable after the server's. */
export async function copyIn(client: Client, statement: string, rows: AsyncIterable<Uint8Array>): Promise<void> {
  const copy = new CopyIn(statement, rows);
  // The library takes any object that submits itself; its types know only its own.
  client.raw.query(copy as unknown as pg.Submittable);
  try {
    await copy.ended.promise;
  } catch (error) {
    throw translateError(error, client.connection);
  }
}

class CopyIn {
  readonly ended = Promise.withResolvers<void>();
  readonly #statement: string;
  readonly #rows: AsyncIterable<Uint8Array>;
  /** Why the rows could not be read: the server then only says that it was told so. */
  #unread: { readonly error: unknown } | undefined;
  #over = false;

  constructor(statement: string, rows: AsyncIterable<Uint8Array>) {
    this.#statement = statement;
    this.#rows = rows;
  }

  submit(wire: Wire): void {
    wire.query(this.#statement);
  }

  handleCopyInResponse(wire: Wire): void {
    void this.#send(wire);
  }

  handleError(error: unknown): void {
    this.#over = true;
    this.ended.reject(this.#unread === undefined ? error : this.#unread.error);
  }

  handleReadyForQuery(): void {
    this.#over = true;
    this.ended.resolve();
  }

  handleCommandComplete(): void {}

  async #send(wire: Wire): Promise<void> {
    const { stream } = wire;
    try {
      for await (const chunk of this.#rows) {
        // Refused already, or the connection is gone: the rest is not read.
        if (this.#over || stream.destroyed) return;
        wire.sendCopyFromChunk(chunk);
        if (stream.writableNeedDrain) await drained(stream);
      }
      if (!this.#over) wire.endCopyFrom();
    } catch (error) {
      this.#unread = { error };
      if (!this.#over) wire.sendCopyFail("the rows could not be read");
    }
  }
}

async function drained(stream: Duplex): Promise<void> {
  const done = Promise.withResolvers<void>();
  const names = ["drain", "close", "error"] as const;
  for (const name of names) stream.once(name, done.resolve);
  await done.promise;
  for (const name of names) stream.removeListener(name, done.resolve);
}
