// Logical sessions: what a retried write answered the first time.
import type { Document } from "bson";
import type { Reply } from "./reply.ts";

interface Known {
  txnNumber: bigint;
  reply: Reply | Document | undefined;
}

export class Sessions {
  readonly #known = new Map<string, Known>();

  /** The answer of a write that was done already; a client that lost the answer asks again with the same number. */
  answered(session: string, txnNumber: bigint): Reply | Document | undefined {
    const known = this.#known.get(session);
    return known?.txnNumber === txnNumber ? known.reply : undefined;
  }

  remember(session: string, txnNumber: bigint, reply: Reply | Document): void {
    this.#known.set(session, { txnNumber, reply });
  }

  end(session: string): void {
    this.#known.delete(session);
  }

  clear(): void {
    this.#known.clear();
  }
}

/** A session's name for tables. */
export const sessionKey = (lsid: Document | undefined): string | undefined =>
  lsid?.id === undefined ? undefined : Buffer.from(lsid.id.buffer).toString("hex");
