// The replication protocol of one command, read from the connection's own socket: the client library would copy every byte and
// cannot hold the server back. What is not read is not received: the socket is the only buffer.
import type { Duplex } from "node:stream";
import { LifeboatError } from "../../../core/errors.ts";
import type { Client } from "../connect/client.ts";
import { translateError } from "../connect/translate.ts";

/** `content`: bytes of the archive or manifest under way. Everything else is a whole message, by the letter of its type. */
export type WireEvent =
  | { readonly kind: "content"; readonly bytes: Uint8Array }
  | { readonly kind: "copy" | "message"; readonly type: string; readonly body: Buffer };

/** A fast checkpoint of a large server may take minutes before the first byte; longer silence is a dead one. */
const SILENCE_MS = 15 * 60_000;
const COPY_DATA = "d";
const CONTENT = "d".charCodeAt(0);

/** Sends the command and yields what comes. The connection serves for nothing else afterwards. Throws what the server or the network says. */
export async function* runOnWire(client: Client, command: string, signal: AbortSignal | undefined): AsyncGenerator<WireEvent, void> {
  const { stream } = (client.raw as unknown as { connection: { stream: Duplex } }).connection;
  stream.removeAllListeners("data");
  stream.pause();
  const reader = new MessageReader();
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  stream.write(queryMessage(command));
  try {
    for (;;) {
      const { value, done } = await next(chunks, client, signal);
      if (done === true) throw new LifeboatError("SOURCE_UNREACHABLE", `the server ended the connection to ${client.connection.label}`);
      yield* reader.feed(value);
    }
  } catch (error) {
    throw signal?.aborted ? signal.reason : translateError(error, client.connection);
  } finally {
    stream.destroy();
  }
}

async function next(
  chunks: AsyncIterator<Uint8Array>,
  client: Client,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<Uint8Array>> {
  signal?.throwIfAborted();
  const cut = Promise.withResolvers<never>();
  const onAbort = (): void => cut.reject(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    cut.reject(new LifeboatError("SOURCE_UNREACHABLE", `${client.connection.label} has been silent for ${SILENCE_MS / 60_000} min`));
  }, SILENCE_MS);
  try {
    return await Promise.race([chunks.next(), cut.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

function queryMessage(text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(5, "Q");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** Cuts the stream into messages. Content passes as views of what was received; only small messages are collected. */
export class MessageReader {
  /** Type and length of the message under way, as far as they are there. */
  readonly #head = Buffer.alloc(5);
  #headBytes = 0;
  #missing = 0;
  #type = "";
  #isContent = false;
  #pieces: Uint8Array[] = [];

  feed(chunk: Uint8Array): WireEvent[] {
    const events: WireEvent[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#headBytes < 5) {
        const taken = Math.min(5 - this.#headBytes, chunk.length - at);
        this.#head.set(chunk.subarray(at, at + taken), this.#headBytes);
        this.#headBytes += taken;
        at += taken;
        if (this.#headBytes === 5) this.#begin(events);
        continue;
      }
      if (this.#type === COPY_DATA && this.#pieces.length === 0 && !this.#isContent && chunk[at] === CONTENT) {
        this.#isContent = true;
        at += 1;
        this.#missing -= 1;
      } else {
        const taken = Math.min(this.#missing, chunk.length - at);
        const bytes = chunk.subarray(at, at + taken);
        if (this.#isContent) events.push({ kind: "content", bytes });
        else this.#pieces.push(bytes);
        at += taken;
        this.#missing -= taken;
      }
      if (this.#missing === 0) this.#end(events);
    }
    return events;
  }

  #begin(events: WireEvent[]): void {
    this.#type = String.fromCharCode(this.#head[0] as number);
    this.#missing = this.#head.readInt32BE(1) - 4;
    this.#isContent = false;
    this.#pieces = [];
    if (this.#missing < 0) throw new LifeboatError("SOURCE_UNREACHABLE", "the server answered with something that is not its protocol");
    if (this.#missing === 0) this.#end(events);
  }

  #end(events: WireEvent[]): void {
    this.#headBytes = 0;
    if (this.#isContent) return;
    const body = Buffer.concat(this.#pieces);
    events.push({
      kind: this.#type === COPY_DATA ? "copy" : "message",
      type: this.#type === COPY_DATA ? body.toString("latin1", 0, 1) : this.#type,
      body,
    });
  }
}
