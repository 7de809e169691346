// A proxy of a PostgreSQL server that stops at one statement: before the server receives it, or after its effect.
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connectionFromParts, partsOf } from "../../src/engines/postgres/connect/url.ts";
import type { Connection } from "../../src/ports/connection.ts";

export type Silence = "stallBefore" | "stallAfter";

export interface Gate {
  readonly connection: Connection;
  /** Falls silent at the Nth statement from the first on that matches; later ones are not heard either. */
  fallSilent(from: Pick<RegExp, "test">, n: number, silence: Silence): { readonly hit: () => string | undefined };
  open(): void;
  close(): Promise<void>;
}

interface Plan {
  readonly from: Pick<RegExp, "test">;
  readonly n: number;
  readonly silence: Silence;
  begun: boolean;
  count: number;
  hit?: string;
}

/** Only for servers that are reached by a socket in a directory. */
export async function statementGate(server: Connection): Promise<Gate> {
  const parts = partsOf(server);
  const directory = await mkdtemp(join(tmpdir(), "lg-"));
  const sockets = new Set<Socket>();
  let plan: Plan | undefined;

  /** Whether the statement goes to the server, and whether its answer comes back. */
  const judge = (sql: string): { readonly forward: boolean; readonly answer: boolean } => {
    if (plan === undefined) return { forward: true, answer: true };
    if (plan.hit !== undefined) return { forward: false, answer: false };
    plan.begun ||= plan.from.test(sql);
    if (!plan.begun || ++plan.count < plan.n) return { forward: true, answer: true };
    plan.hit = sql;
    return { forward: plan.silence === "stallAfter", answer: false };
  };

  const listener = createServer((near) => {
    const far = connect(join(parts.host, `.s.PGSQL.${parts.port}`));
    let answering = true;
    let silent = false;
    let started = false;
    let pending = Buffer.alloc(0);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => sockets.delete(socket));
    }
    far.on("data", (chunk) => answering && near.write(chunk));
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
    near.on("data", (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      for (;;) {
        const head = started ? 1 : 0;
        if (pending.length < head + 4) return;
        const size = head + pending.readInt32BE(head);
        if (pending.length < size) return;
        const message = pending.subarray(0, size);
        pending = pending.subarray(size);
        if (!started)
          started = message.length > 8; // requests for TLS and the like are eight bytes long
        else if (!silent && (message[0] === 0x51 || message[0] === 0x50)) {
          const { forward, answer } = judge(textOf(message));
          answering &&= answer;
          silent = !forward;
        }
        if (!silent) far.write(message);
      }
    });
  });
  await new Promise<void>((resolve) => listener.listen(join(directory, `.s.PGSQL.${parts.port}`), resolve));
  return {
    connection: connectionFromParts({ ...parts, host: directory }),
    fallSilent(from, n, silence) {
      const planned: Plan = { from, n, silence, begun: false, count: 0 };
      plan = planned;
      return { hit: () => planned.hit };
    },
    open() {
      plan = undefined;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Of a simple query its text, of a prepared one the text behind its name. */
function textOf(message: Buffer): string {
  const begin = message[0] === 0x51 ? 5 : message.indexOf(0, 5) + 1;
  return message.subarray(begin, message.indexOf(0, begin)).toString("utf8");
}
