// COPY … TO STDOUT over an ordinary connection: the rows as they arrive, no faster than they are taken.
import type { Duplex } from "node:stream";
import type pg from "pg";
import type { Client } from "../connect/client.ts";
import { translateError } from "../connect/translate.ts";

interface Wire {
  readonly stream: Duplex;
  query(text: string): void;
}

const PIECE_BYTES = 64 * 1024;
const MOST_WAITING_BYTES = 1024 * 1024;

/** Runs the statement. The rest of what a caller leaves is read and thrown away, so that the connection stays usable. */
export async function* copyOut(client: Client, statement: string): AsyncGenerator<Uint8Array, void> {
  const copy = new CopyOut(statement);
  // The library takes any object that submits itself; its types know only its own.
  client.raw.query(copy as unknown as pg.Submittable);
  try {
    yield* copy.pieces();
  } catch (error) {
    throw translateError(error, client.connection);
  }
}

class CopyOut {
  readonly #statement: string;
  #wire: Wire | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #piece: Uint8Array[] = [];
  #pieceBytes = 0;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => {};
  #isLeft = false;

  constructor(statement: string) {
    this.#statement = statement;
  }

  submit(wire: Wire): void {
    this.#wire = wire;
    wire.query(this.#statement);
  }

  handleCopyData({ chunk }: { readonly chunk: Uint8Array }): void {
    if (this.#isLeft) return;
    // The library reads the next message into the same memory.
    this.#piece.push(Uint8Array.from(chunk));
    this.#pieceBytes += chunk.length;
    if (this.#pieceBytes >= PIECE_BYTES) this.#close();
  }

  handleError(error: unknown): void {
    this.#failure = { error };
    this.#end();
  }

  handleReadyForQuery(): void {
    this.#end();
  }

  handleCommandComplete(): void {}

  async *pieces(): AsyncGenerator<Uint8Array, void> {
    try {
      for (;;) {
        const piece = this.#waiting.shift();
        if (piece !== undefined) {
          this.#waitingBytes -= piece.length;
          if (this.#waitingBytes < MOST_WAITING_BYTES) this.#wire?.stream.resume();
          yield piece;
        } else if (this.#failure !== undefined) throw this.#failure.error;
        else if (this.#ended) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.#isLeft = true;
      this.#wire?.stream.resume();
      while (!this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #close(): void {
    const piece = Buffer.concat(this.#piece);
    this.#piece = [];
    this.#pieceBytes = 0;
    this.#waiting.push(piece);
    this.#waitingBytes += piece.length;
    if (this.#waitingBytes >= MOST_WAITING_BYTES && !this.#isLeft) this.#wire?.stream.pause();
    this.#wake();
  }

  #end(): void {
    if (this.#pieceBytes > 0) this.#close();
    this.#ended = true;
    this.#wake();
  }
}
