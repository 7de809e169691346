// Transactions in the oplog: their operations wait until the entry that commits them, which may be far behind.
//
// A small one is a single `applyOps`. A large one is a row of them, all but the last marked `partialTxn`. A prepared one waits, marked
// `prepare`, for `commitTransaction` or `abortTransaction`. Retryable writes may come as `applyOps` too, and are done at once.
import { LifeboatError } from "../../../core/errors.ts";
import { type Element, elementNamed, elementsOf, integerOf, isTruthy, TYPE } from "../bson/bson.ts";
import { type Entry, readInner } from "./entry.ts";
import { positionOf } from "./position.ts";

/** `multiOpType` of retryable writes that were combined outside a transaction. */
const APPLIED_APART = 1;

export class Transactions {
  /** Operations that wait, by session and number. */
  readonly #waiting = new Map<string, Entry[]>();

  /**
   * What the entry makes happen now: the operations of an `applyOps` or of a whole transaction; nothing for one that continues or was
   * aborted. Undefined for other entries.
   */
  take(entry: Entry): readonly Entry[] | undefined {
    if (entry.op !== "c") return undefined;
    const [command] = elementsOf(entry.o);
    if (command?.name === "applyOps") return this.#applyOps(entry, command);
    if (command?.name === "commitTransaction") return this.#commit(entry);
    if (command?.name !== "abortTransaction") return undefined;
    this.#waiting.delete(keyOf(entry));
    return [];
  }

  #applyOps(entry: Entry, { value, type }: Element): readonly Entry[] {
    if (type !== TYPE.array) throw invalid(entry, "its applyOps is not a list");
    const operations = elementsOf(value).map((one) => readInner(one.value, entry));
    const isTransaction = entry.fields.has("txnNumber") && integerOf(entry.fields.get("multiOpType")) !== APPLIED_APART;
    if (!isTransaction) return operations;
    const key = keyOf(entry);
    if (!this.#waiting.has(key) && hasPrevious(entry))
      throw invalid(entry, "it belongs to a transaction whose beginning is not in this log");
    const all = this.#waiting.get(key) ?? [];
    for (const operation of operations) all.push(operation);
    if (isTruthy(elementNamed(entry.o, "partialTxn")) || isTruthy(elementNamed(entry.o, "prepare"))) {
      this.#waiting.set(key, all);
      return [];
    }
    this.#waiting.delete(key);
    const count = integerOf(elementNamed(entry.o, "count"));
    if (count !== undefined && count !== all.length)
      throw invalid(entry, `its transaction has ${count} operations, of which ${all.length} are in this log`);
    return all;
  }

  #commit(entry: Entry): readonly Entry[] {
    const key = keyOf(entry);
    const operations = this.#waiting.get(key);
    if (operations === undefined) throw invalid(entry, "it commits a transaction that is not in this log");
    this.#waiting.delete(key);
    return operations;
  }
}

function keyOf(entry: Entry): string {
  const parts = [entry.fields.get("lsid")?.value, entry.fields.get("txnNumber")?.value];
  return parts.map((part) => (part === undefined ? "" : Buffer.from(part).toString("base64"))).join(" ");
}

/** Whether an earlier entry belongs to the same transaction. */
function hasPrevious(entry: Entry): boolean {
  const previous = entry.fields.get("prevOpTime");
  return previous?.type === TYPE.document && isTruthy(elementNamed(previous.value, "ts"));
}

const invalid = (entry: Entry, why: string): LifeboatError =>
  new LifeboatError("LOG_INVALID", `the entry at ${positionOf(entry.stamp)} of the oplog cannot be applied: ${why}`);
