// A proxy of a server that a test can interrupt and resume: a socket in front of the server's.
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";
import type { LogCluster } from "./log-cluster.ts";

export interface BreakableWay {
  readonly connection: Connection;
  /** Every connection breaks, and no new one is taken. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  close(): Promise<void>;
}

export async function breakableWay(cluster: Pick<LogCluster, "connection">): Promise<BreakableWay> {
  const directory = await mkdtemp(join(tmpdir(), "lifeboat-way-"));
  const parts = partsOf(cluster.connection());
  const socketName = `.s.PGSQL.${parts.port}`;
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  };
  let server: Server | undefined;
  const mend = async (): Promise<void> => {
    const listener = createServer((near) => {
      const far = connect(join(parts.host, socketName));
      keep(near);
      keep(far);
      near.pipe(far).pipe(near);
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
    });
    await new Promise<void>((resolve) => listener.listen(join(directory, socketName), resolve));
    server = listener;
  };
  const cut = async (): Promise<void> => {
    const closing = server;
    server = undefined;
    const closed = new Promise<void>((resolve) => (closing ? closing.close(() => resolve()) : resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await mend();
  return {
    connection: connectionFromParts({ ...parts, host: directory }),
    cut,
    mend,
    async close() {
      await cut();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
