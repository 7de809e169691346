// A transaction pooler for tests: takes any login, announces a process of its own, and lends a server session per transaction.
// What it does with the settings in a startup packet is the caller's choice: poolers differ in it.
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import pg from "pg";
import { clientOptions } from "../../src/engines/postgres/connect/settings.ts";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";

export interface TestPooler {
  readonly url: Connection;
  close(): Promise<void>;
}

/** `refused`: as pgbouncer does; `ignored`: as pgbouncer told to ignore them; `taken`: as one whose server sessions have them all. */
type Settings = "refused" | "ignored" | "taken";

export async function createTestPooler(server: Connection, settings: Settings = "taken"): Promise<TestPooler> {
  const parts = partsOf(server);
  const all: Session[] = [];
  const free: Session[] = [];
  for (let i = 0; i < 2; i++) {
    const session = await openSession(parts, settings === "taken" ? clientOptions(undefined) : undefined);
    all.push(session);
    free.push(session);
  }
  const clients = new Set<Socket>();
  const listener = createServer((socket) => {
    clients.add(socket);
    socket.on("error", () => {});
    serve(socket, free, settings);
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  return {
    url: connectionFromParts({ ...parts, host: "127.0.0.1", port }),
    async close() {
      for (const socket of clients) socket.destroy();
      listener.close();
      for (const session of all) await session.client.end();
    },
  };
}

interface Session {
  readonly client: pg.Client;
  readonly stream: Socket;
}

/** Logs in with the library, then takes the bare stream. */
async function openSession(
  { host, port, user, password, database }: ReturnType<typeof partsOf>,
  options: string | undefined,
): Promise<Session> {
  const client = new pg.Client({ host, port, user, password, database, ...(options === undefined ? {} : { options }) });
  client.on("error", () => {});
  await client.connect();
  return { client, stream: (client as unknown as { connection: { stream: Socket } }).connection.stream };
}

const READY_TO_START = Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 0, 0x4b, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 7, 0x5a, 0, 0, 0, 5, 0x49]);
const SSL_REQUEST = 80877103;

const REFUSAL = Buffer.from("SFATAL\0C08P01\0Munsupported startup parameter in options: search_path\0\0");

function serve(client: Socket, free: Session[], settings: Settings): void {
  let loggedIn = false;
  let session: Session | undefined;
  const back = (chunk: Buffer): void => {
    client.write(chunk);
    // ReadyForQuery, idle: the transaction is over, and any client may use the session.
    if (session && chunk.length >= 6 && chunk.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]))) giveBack();
  };
  const giveBack = (): void => {
    if (!session) return;
    session.stream.off("data", back);
    free.push(session);
    session = undefined;
  };
  client.on("data", (chunk) => {
    if (!loggedIn) {
      if (chunk.readInt32BE(4) === SSL_REQUEST) return void client.write("N");
      if (settings === "refused" && chunk.includes("options\0")) {
        const head = Buffer.from([0x45, 0, 0, 0, REFUSAL.length + 4]);
        return void client.end(Buffer.concat([head, REFUSAL]));
      }
      loggedIn = true;
      return void client.write(READY_TO_START);
    }
    if (chunk[0] === 0x58) return void client.end(); // Terminate
    if (!session) {
      session = free.pop();
      session?.stream.on("data", back);
    }
    session?.stream.write(chunk);
  });
  client.on("close", () => {
    if (session) session.stream.write(Buffer.from("Q\0\0\0\rrollback\0", "latin1"));
  });
}
