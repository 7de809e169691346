// When a command runs: a retried write once, a transaction's write within it, other writes while no transaction writes.
import type { Document } from "bson";
import type { Command, Handler } from "./command.ts";
import { CommandError } from "./errors.ts";
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

export async function perform(command: Command, handler: Handler): Promise<Answer> {
  const { body, context, name } = command;
  const session = sessionKey(body.lsid);
  if (body.txnNumber === undefined || session === undefined) {
    if (WRITES.has(name) || DEFINITIONS.has(name) || writesByPipeline(body)) await context.transactions.free();
    return handler(command);
  }
  if (context.setName === undefined) throw new CommandError(20, "Transaction numbers are only allowed on a replica set member or mongos");
  return body.autocommit === false ? within(command, session, handler) : once(command, session, handler);
}

const writesByPipeline = ({ pipeline }: Document): boolean =>
  Array.isArray(pipeline) && pipeline.some((stage) => "$out" in stage || "$merge" in stage);

/** A retryable write is done once, however often it is sent. */
async function once(command: Command, session: string, handler: Handler): Promise<Answer> {
  const { context, body } = command;
  const number = BigInt(body.txnNumber.toString());
  const known = context.sessions.answered(session, number);
  if (known !== undefined) return known;
  await context.transactions.free();
  const reply = await handler(command);
  context.sessions.remember(session, number, reply);
  return reply;
}

/** A failure ends the transaction, as at the real server. */
async function within(command: Command, session: string, handler: Handler): Promise<Answer> {
  const { body, name, context } = command;
  const { transactions } = context;
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
    if (READS.has(name) && !writesByPipeline(body)) return await handler({ ...command, transaction });
    if (!WRITES.has(name)) throw new CommandError(263, `Cannot run '${name}' in a multi-document transaction.`);
    return await transactions.write(transaction, () => failing(handler({ ...command, transaction })));
  } catch (error) {
    transactions.abort(session);
    throw error;
  }
}

/** In a transaction a failed statement ends the transaction. */
function failing(reply: ReturnType<Handler>): ReturnType<Handler> {
  const errors = reply instanceof Promise ? undefined : (reply as Document).writeErrors;
  if (errors !== undefined) throw new CommandError(errors[0].code.value, errors[0].errmsg);
  return reply;
}
