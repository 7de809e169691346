// How often and when a command is done: a retried write once, a transaction's within it, and others' writes when none is being written.
import type { Document } from "bson";
import type { Call, Handler } from "./call.ts";
import { MongoFault } from "./errors.ts";
import type { Reply } from "./reply.ts";
import { sessionKey } from "./sessions.ts";

type Answer = Reply | Document;

const WRITES = new Set(["insert", "update", "delete", "findAndModify", "findandmodify"]);
const READS = new Set(["find", "getMore", "aggregate", "distinct", "killCursors"]);
const DEFINITIONS = new Set([
  "create",
  "drop",
  "dropDatabase",
  "renameCollection",
  "collMod",
  "createIndexes",
  "dropIndexes",
  "deleteIndexes",
  "applyOps",
]);

export async function perform(call: Call, handler: Handler): Promise<Answer> {
  const { body, world, name } = call;
  const session = sessionKey(body.lsid);
  if (body.txnNumber === undefined || session === undefined) {
    if (WRITES.has(name) || DEFINITIONS.has(name) || writesByPipeline(body)) await world.transactions.free();
    return handler(call);
  }
  if (world.setName === undefined) throw new MongoFault(20, "Transaction numbers are only allowed on a replica set member or mongos");
  return body.autocommit === false ? within(call, session, handler) : once(call, session, handler);
}

const writesByPipeline = ({ pipeline }: Document): boolean =>
  Array.isArray(pipeline) && pipeline.some((stage) => "$out" in stage || "$merge" in stage);

/** A retryable write is done once, however often it is sent. */
async function once(call: Call, session: string, handler: Handler): Promise<Answer> {
  const { world, body } = call;
  const number = BigInt(body.txnNumber.toString());
  const known = world.sessions.answered(session, number);
  if (known !== undefined) return known;
  await world.transactions.free();
  const reply = await handler(call);
  world.sessions.remember(session, number, reply);
  return reply;
}

/** A failure ends the transaction, as at the real server. */
async function within(call: Call, session: string, handler: Handler): Promise<Answer> {
  const { body, name, world } = call;
  const { transactions } = world;
  if (name === "commitTransaction") {
    transactions.commit(session, body);
    return {};
  }
  const transaction = transactions.join(session, body);
  if (name === "abortTransaction") {
    transactions.abort(session);
    return {};
  }
  try {
    if (READS.has(name) && !writesByPipeline(body)) return await handler({ ...call, transaction });
    if (!WRITES.has(name)) throw new MongoFault(263, `Cannot run '${name}' in a multi-document transaction.`);
    return await transactions.write(transaction, () => failing(handler({ ...call, transaction })));
  } catch (error) {
    transactions.abort(session);
    throw error;
  }
}

/** In a transaction a statement that failed is the end of all. */
function failing(reply: ReturnType<Handler>): ReturnType<Handler> {
  const errors = reply instanceof Promise ? undefined : (reply as Document).writeErrors;
  if (errors !== undefined) throw new MongoFault(errors[0].code.value, errors[0].errmsg);
  return reply;
}
