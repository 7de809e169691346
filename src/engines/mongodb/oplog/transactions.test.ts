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
