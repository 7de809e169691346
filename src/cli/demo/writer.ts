// Customers: they keep ordering all the time, and remember which orders the shop confirmed.
import { setTimeout as sleep } from "node:timers/promises";
import type { PostgresSession } from "@lifeboat/sandbox";
import { LifeboatError } from "../../core/errors.ts";
import { PROJECTS, USERS } from "./shop.ts";

export interface Writer {
  /** Ids of the orders that the shop confirmed, ever. */
  readonly confirmed: readonly number[];
  /** Errors of orders since the last move, in the server's words. */
  readonly errors: readonly string[];
  /** Waits until the condition holds. Throws the abort's reason, or SCRATCH_FAILED when that takes far too long. */
  until(holds: (writer: Writer) => boolean): Promise<void>;
  /** Orders go to another database from now on. */
  move(session: PostgresSession): Promise<void>;
  /** Ends it. Safe to call twice. */
  stop(): Promise<void>;
}

const EVERY_MS = 4;
/** An application backs off a little when its database fails. */
const AFTER_ERROR_MS = 50;
const POLL_MS = 10;
const TIMEOUT_MS = 30_000;

const ORDER = `insert into orders (user_id, project_id, total, note)
  values (1 + floor(random() * ${USERS}), 1 + floor(random() * ${PROJECTS}), round((5 + random() * 400)::numeric, 2), 'ordered just now')
  returning id`;

/** Starts ordering through the session, which belongs to the writer from then on. */
export function startWriter(first: PostgresSession, signal: AbortSignal): Writer {
  let session = first;
  let stopped = false;
  const confirmed: number[] = [];
  const errors: string[] = [];
  const loop = async (): Promise<void> => {
    while (!stopped) {
      const used = session;
      try {
        const [order] = await used.query<{ id: string }>(ORDER);
        confirmed.push(Number(order?.id));
        await sleep(EVERY_MS);
      } catch (error) {
        // An order that failed because its session was replaced says nothing about the shop.
        if (used === session && !stopped) errors.push(error instanceof Error ? error.message : String(error));
        await sleep(AFTER_ERROR_MS);
      }
    }
  };
  const running = loop();
  const writer: Writer = {
    confirmed,
    errors,
    async until(holds) {
      for (let waitedMs = 0; !holds(writer); waitedMs += POLL_MS) {
        signal.throwIfAborted();
        if (waitedMs > TIMEOUT_MS)
          throw new LifeboatError(
            "SCRATCH_FAILED",
            `the shop did not answer its customers as it should: ${errors.at(-1) ?? "no order was confirmed"}`,
          );
        await sleep(POLL_MS);
      }
    },
    async move(next) {
      const before = session;
      session = next;
      errors.length = 0;
      await before.close();
    },
    async stop() {
      stopped = true;
      await session.close();
      await running;
    },
  };
  return writer;
}
