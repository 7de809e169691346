// Transactions: writes that no other client sees until they are committed, then all at one position, as one entry of the log.
// One transaction writes at a time: others' writes wait for it, another transaction's are told of the conflict.
// https://www.mongodb.com/docs/manual/core/transactions/
import { Binary, type Document, Long } from "bson";
import { definitionOf, type Namespace } from "./catalog.ts";
import { CommandError } from "./errors.ts";
import { NULL_OP_TIME, opTimeOf } from "./oplog.ts";
import type { Pending, PendingEntry } from "./pending.ts";
import { bytesOf, encode, idDocument, rawOf, typedOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { fillUnique } from "./unique.ts";
import type { DocumentVersion, Records, Slot } from "./versions.ts";

export interface Transaction {
  readonly number: bigint;
  readonly lsid: Document;
  state: "open" | "committed" | "aborted";
  readonly pending: Pending;
}

const LIFETIME_MS = 60_000;
const TRANSIENT = { errorLabels: ["TransientTransactionError"] };

export class Transactions {
  readonly #store: Store;
  readonly #entryOps: number;
  readonly #known = new Map<string, Transaction>();
  #writer: { readonly transaction: Transaction; readonly timer: NodeJS.Timeout; readonly ended: PromiseWithResolvers<void> } | undefined;

  /** `entryOps`: a transaction of more operations is put into the log as a row of entries. */
  constructor(store: Store, entryOps: number) {
    this.#store = store;
    this.#entryOps = entryOps;
  }

  /** The transaction that a command runs in. NoSuchTransaction. */
  join(session: string, body: Document): Transaction {
    const number = BigInt(String(body.txnNumber));
    const known = this.#known.get(session);
    if (body.startTransaction === true) {
      if (known?.state === "open") this.abort(session, known);
      const begun: Transaction = { number, lsid: body.lsid, state: "open", pending: { changes: [], requested: [] } };
      this.#known.set(session, begun);
      return begun;
    }
    if (known === undefined || known.number !== number || known.state !== "open") {
      throw new CommandError(251, `Given transaction number ${number} does not match any in-progress transactions.`, TRANSIENT);
    }
    return known;
  }

  /** Runs a write of a transaction; it becomes the one that writes. */
  write<T>(transaction: Transaction, act: () => T): T {
    if (this.#writer !== undefined && this.#writer.transaction !== transaction) {
      throw new CommandError(112, "Caused by :: WriteConflict: another transaction is writing", TRANSIENT);
    }
    if (this.#writer === undefined) {
      const timer = setTimeout(() => this.#undo(transaction), LIFETIME_MS);
      timer.unref();
      this.#writer = { transaction, timer, ended: Promise.withResolvers() };
    }
    return this.#store.during(transaction.pending, act);
  }

  /** Until no transaction writes. */
  async free(): Promise<void> {
    while (this.#writer !== undefined) await this.#writer.ended.promise;
  }

  isWriting(transaction: Transaction | undefined): boolean {
    return transaction !== undefined && this.#writer?.transaction === transaction;
  }

  /** Commits once; asked again, it succeeds. */
  commit(session: string, body: Document): void {
    const known = this.#known.get(session);
    if (known?.state === "committed" && known.number === BigInt(String(body.txnNumber))) return;
    const transaction = this.join(session, { ...body, startTransaction: false });
    const { changes, requested } = transaction.pending;
    const position = this.#log(transaction, requested);
    for (const { slot, namespace } of changes) {
      settle(slot, position);
      (namespace.records as Records).pending = false;
    }
    this.#end(transaction, "committed");
    this.#store.wake();
  }

  abort(session: string, transaction = this.#known.get(session)): void {
    if (transaction?.state === "open") this.#undo(transaction);
  }

  clear(): void {
    this.#known.clear();
    if (this.#writer !== undefined) this.#end(this.#writer.transaction, "aborted");
  }

  #end(transaction: Transaction, state: "committed" | "aborted"): void {
    transaction.state = state;
    if (this.#writer?.transaction !== transaction) return;
    clearTimeout(this.#writer.timer);
    this.#writer.ended.resolve();
    this.#writer = undefined;
  }

  #undo(transaction: Transaction): void {
    const touched = new Set<Namespace>();
    for (const { namespace, key, slot, before, sizeBefore } of transaction.pending.changes.reverse()) {
      const records = namespace.records as Records;
      slot.head = before ?? { ...slot.head, length: 0, from: 0, prev: undefined };
      if (before === undefined) records.byId.delete(key);
      else records.byId.set(key, slot);
      records.sizeBytes = sizeBefore;
      records.firstLive = 0;
      records.pending = false;
      touched.add(namespace);
    }
    for (const namespace of touched)
      for (const spec of definitionOf(namespace).indexes) if (spec.unique === true) fillUnique(namespace, spec);
    this.#end(transaction, "aborted");
  }

  /** One `applyOps`, or a row of them where there are too many operations. Returns the position at which all of it is true. */
  #log({ lsid, number }: Transaction, requested: readonly PendingEntry[]): number {
    const store = this.#store;
    let before: Document = NULL_OP_TIME;
    let position = store.tick();
    for (let at = 0; at < requested.length; at += this.#entryOps) {
      const part = requested.slice(at, at + this.#entryOps);
      const isLast = at + this.#entryOps >= requested.length;
      const whole = requested.length <= this.#entryOps;
      const more = isLast ? (whole ? {} : { count: Long.fromNumber(requested.length) }) : { partialTxn: true };
      if (at > 0) position = store.tick();
      const session = { lsid, txnNumber: Long.fromBigInt(number) };
      store.log(position, {
        op: "c",
        ns: "admin.$cmd",
        o: rawOf(encode({ applyOps: part.map(operation), ...more })),
        session,
        prevOpTime: before,
      });
      before = opTimeOf(position);
    }
    return position;
  }
}

/** From then on the pending versions of a record are true. */
function settle(slot: Slot, position: number): void {
  for (
    let version: DocumentVersion | undefined = slot.head;
    version !== undefined && version.from === Number.POSITIVE_INFINITY;
    version = version.prev
  )
    version.from = position;
}

const operation = ({ op, ns, uuid, o, o2 }: PendingEntry): Document => ({
  op,
  ns,
  ui: uuid === undefined ? undefined : new Binary(uuid, 4),
  o: typedOf(rawOf(bytesOf(o))),
  ...(op === "d" ? {} : { o2: typedOf(rawOf(o2 ?? idDocument(o))) }),
});
