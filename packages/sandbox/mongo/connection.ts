// One client's connection: its commands run one after the other, and their answers leave in that order.
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { ConnectionState } from "./auth/auth-types.ts";
import type { ServerContext } from "./command.ts";
import { dispatch } from "./dispatcher.ts";
import type { Effect, FaultList } from "./faults.ts";
import { FrameReader, frameReply, type Message, parseMessage } from "./wire.ts";

interface ServeOptions {
  readonly context: ServerContext;
  readonly faults: FaultList;
  readonly latencyMs: number;
}

let lastId = 0;

/** Serves a socket until it is closed. */
export function serveConnection(socket: Socket, options: ServeOptions): void {
  const { context, faults, latencyMs } = options;
  const connection: ConnectionState = { id: ++lastId, authenticated: false };
  const gone = new AbortController();
  const reader = new FrameReader();
  let tail: Promise<void> = Promise.resolve();
  socket.setNoDelay(true);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => gone.abort());

  const suffer = async (effects: readonly Effect[]): Promise<void> => {
    if (latencyMs > 0) await pause(latencyMs, gone.signal);
    for (const effect of effects) {
      if (effect.kind === "latency") await pause(effect.ms, gone.signal);
      if (effect.kind === "stallBefore") await Promise.race([faults.cleared, ended(gone.signal)]);
      if (effect.kind === "dropBefore") socket.destroy();
    }
    if (gone.signal.aborted || socket.destroyed) throw new Error("the connection is gone");
  };

  const answer = async (message: Message): Promise<void> => {
    if (gone.signal.aborted) return;
    const { parts, effects } = await dispatch(context, faults, message, connection, gone.signal, suffer);
    for (const { kind } of effects) {
      if (kind === "stallAfter") await Promise.race([faults.cleared, ended(gone.signal)]);
      if (kind === "dropAfter") socket.destroy();
    }
    if (message.silent || socket.destroyed) return;
    socket.cork();
    for (const part of frameReply(message, parts)) socket.write(part);
    socket.uncork();
    if (socket.writableNeedDrain) await drained(socket);
  };

  socket.on("data", (bytes) => {
    try {
      for (const frame of reader.push(bytes)) {
        const message = parseMessage(frame);
        tail = tail.then(() => answer(message)).catch((error: unknown) => void socket.destroy(error instanceof Error ? error : undefined));
      }
    } catch {
      // What cannot be read as the protocol ends the connection, as at the real server.
      socket.destroy();
    }
  });
}

const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
};

const ended = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });

const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    function end(): void {
      socket.off("drain", end);
      socket.off("close", end);
      resolve();
    }
    socket.on("drain", end);
    socket.on("close", end);
  });
