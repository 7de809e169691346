// A listener of one compute. It has an address of its own where the system allows it, because a connection string of Neon's has no
// port; a connection wakes the server behind it; then bytes go both ways untouched, so that TLS and channel binding are end to end.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { isLifeboatError } from "../../../../src/core/errors.ts";
import type { Certificate } from "./certificate.ts";
import type { ComputeProxy, RunningServer } from "./fleet-types.ts";
import { refuseClient } from "./refuse.ts";

const PORT = 5432;
const ATTEMPTS = 8;

/** `wake` is asked at every connection, but never twice at once; what it throws is told to the client. */
export async function openProxy(wake: () => Promise<RunningServer>, certificate: Certificate): Promise<ComputeProxy> {
  const clients = new Set<Socket>();
  let waking: Promise<RunningServer> | undefined;
  const awake = (): Promise<RunningServer> => {
    waking ??= wake().finally(() => {
      waking = undefined;
    });
    return waking;
  };

  const reach = async (): Promise<Socket> => {
    const { port } = await awake();
    // A server that was killed a moment ago is woken once more.
    return await dial(port).catch(async () => await dial((await awake()).port));
  };

  const serve = async (client: Socket): Promise<void> => {
    clients.add(client);
    client.setNoDelay(true);
    client.on("error", () => client.destroy());
    client.once("close", () => clients.delete(client));
    try {
      const server = await reach();
      server.on("error", () => server.destroy());
      // Not pipe alone: a client that does not read its end of file would count as a connection forever.
      server.once("close", () => client.destroySoon());
      client.once("close", () => server.destroySoon());
      if (client.destroyed) server.destroy();
      client.pipe(server);
      server.pipe(client);
    } catch (error) {
      await refuseClient(client, certificate, isLifeboatError(error) ? error.message : "the compute cannot be started");
    }
  };

  const { server, host, port } = await listen((client) => void serve(client));
  let closing: Promise<void> | undefined;
  return {
    host,
    port,
    get connections() {
      return clients.size;
    },
    close() {
      closing ??= (async () => {
        const closed = once(server, "close");
        server.close();
        for (const client of clients) client.destroy();
        await closed;
      })();
      return closing;
    },
  };
}

/** On a random loopback address of its own; where the system has none (macOS) or all tried are taken, on 127.0.0.1 and any port. */
async function listen(accept: (client: Socket) => void): Promise<{ server: Server; host: string; port: number }> {
  for (let attempt = 0; ; attempt++) {
    const last = attempt === ATTEMPTS;
    const host = last ? "127.0.0.1" : `127.${randomInt(1, 255)}.${randomInt(0, 256)}.${randomInt(1, 255)}`;
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, accept);
    try {
      server.listen({ host, port: last ? 0 : PORT, exclusive: true });
      await once(server, "listening");
      const address = server.address();
      return { server, host, port: typeof address === "object" && address !== null ? address.port : PORT };
    } catch (error) {
      if (last) throw error;
    }
  }
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true, noDelay: true });
  await once(socket, "connect");
  return socket;
}
