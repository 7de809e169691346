import assert from "node:assert/strict";
import { test } from "node:test";
import { type Document, Long, serialize, Timestamp } from "bson";
import { readEntry } from "./entry.ts";
import { Transactions } from "./transactions.ts";

let increment = 0;

function command(o: Document, more: Document = {}) {
  const ts = new Timestamp({ t: 1_795_000_000, i: ++increment });
  return readEntry(
    serialize({ op: "c", ns: "admin.$cmd", o, ts, wall: new Date(), lsid: { id: "s" }, txnNumber: Long.fromNumber(1), ...more }),
  );
}

const insert = (n: number): Document => ({ op: "i", ns: "shop.users", o: { _id: n } });
const later = { prevOpTime: { ts: new Timestamp({ t: 1, i: 1 }), t: Long.fromNumber(1) } };
const counted = (found: readonly unknown[] | undefined): number | undefined => found?.length;

test("R28 a transaction happens when the entry that commits it comes, whole", () => {
  const transactions = new Transactions();
  assert.equal(counted(transactions.take(command({ applyOps: [insert(1), insert(2)], partialTxn: true }))), 0);
  assert.equal(counted(transactions.take(command({ applyOps: [insert(3)], count: 3 }, later))), 3);
  assert.equal(counted(transactions.take(command({ applyOps: [insert(4)] }))), 1);
});

test("R28 a prepared transaction waits for its commit, and nothing of one that was given up happens", () => {
  const transactions = new Transactions();
  assert.equal(counted(transactions.take(command({ applyOps: [insert(1)], prepare: true }))), 0);
  assert.equal(counted(transactions.take(command({ commitTransaction: 1 }, later))), 1);
  assert.equal(counted(transactions.take(command({ applyOps: [insert(1)], prepare: true }))), 0);
  assert.equal(counted(transactions.take(command({ abortTransaction: 1 }, later))), 0);
  assert.throws(() => transactions.take(command({ commitTransaction: 1 }, later)), { code: "LOG_INVALID" });
});

test("R28 a transaction whose beginning is not in the log is refused, not applied in part", () => {
  assert.throws(() => new Transactions().take(command({ applyOps: [insert(2)], count: 2 }, later)), { code: "LOG_INVALID" });
  const transactions = new Transactions();
  transactions.take(command({ applyOps: [insert(1)], partialTxn: true }));
  assert.throws(() => transactions.take(command({ applyOps: [insert(3)], count: 3 }, later)), { code: "LOG_INVALID" });
});

test("R28 writes that may be tried again and were put together are done at once", () => {
  const entry = command({ applyOps: [insert(1), insert(2)] }, { multiOpType: 1, ...later });
  assert.equal(counted(new Transactions().take(entry)), 2);
  assert.equal(new Transactions().take(command({ drop: "users" })), undefined);
});

test("R56 the operations of a transaction in many entries are gathered without being copied at each", () => {
  const transactions = new Transactions();
  const waiting = (): unknown => transactions.take(command({ applyOps: [insert(1)], partialTxn: true }));
  // Copying goes through the array's iterator; what is counted is how many elements it gives.
  const iterate = Array.prototype[Symbol.iterator];
  let given = 0;
  const counted = (entries: number): number => {
    given = 0;
    for (let entry = 0; entry < entries; entry++) waiting();
    return given;
  };
  Array.prototype[Symbol.iterator] = function* (this: unknown[]) {
    for (let at = 0; at < this.length; at++) {
      given++;
      yield this[at];
    }
  } as typeof iterate;
  try {
    const [first, later] = [counted(100), counted(100)];
    assert.ok(later < 2 * first, `${first} elements for the first entries, ${later} for as many after them`);
  } finally {
    Array.prototype[Symbol.iterator] = iterate;
  }
});
