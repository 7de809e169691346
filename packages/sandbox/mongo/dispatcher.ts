// From a message to its answer: finds the command, checks access, and adds the times of the replica set to the answer.
import { Binary, type Document, Long } from "bson";
import type { ConnectionState } from "./auth/auth-types.ts";
import { type Command, commandOf, type Handlers, type ServerContext } from "./command.ts";
import { COLLECTIONS } from "./commands/collections.ts";
import { HELLO } from "./commands/hello.ts";
import { INDEXES } from "./commands/indexes.ts";
import { MISC, VALIDATING } from "./commands/misc.ts";
import { COUNTING, READING } from "./commands/reading.ts";
import { REPLICATION } from "./commands/replication.ts";
import { WRITING } from "./commands/writing.ts";
import { CommandError, faultReply } from "./errors.ts";
import { type Effect, type FaultList, refusalOf } from "./faults.ts";
import { timestampOf } from "./position.ts";
import { type Reply, replyBytes } from "./reply.ts";
import { perform } from "./retryable-writes.ts";
import type { Message } from "./wire.ts";

/** What a client may ask before it has authenticated. */
const OPEN_TO_ALL = new Set([
  "hello",
  "isMaster",
  "ismaster",
  "ping",
  "buildInfo",
  "buildinfo",
  "endSessions",
  "getnonce",
  "whatsmyuri",
  "connectionStatus",
]);

const NO_SIGNATURE = { hash: new Binary(Buffer.alloc(20)), keyId: Long.ZERO };

export interface Outcome {
  /** The answer's document in parts. */
  readonly parts: readonly Buffer[];
  readonly effects: readonly Effect[];
}

/** Runs one command. Never throws for what a client did: that becomes an answer. */
export async function dispatch(
  context: ServerContext,
  faults: FaultList,
  message: Message,
  connection: ConnectionState,
  signal: AbortSignal,
  suffer: (effects: readonly Effect[]) => Promise<void>,
): Promise<Outcome> {
  let effects: readonly Effect[] = [];
  let reply: Reply;
  try {
    const command = commandOf(context, message, connection, signal);
    const documents = [...command.sequences.values()].reduce((sum, { length }) => sum + length, 0);
    const seen = faults.note({ command: command.name, db: command.db, body: command.body, documents, connection: connection.id });
    effects = faults.take(command.name, command.db, aboutOf(command));
    await suffer(effects);
    try {
      const refusal = refusalOf(effects);
      if (refusal !== undefined) throw refusal;
      reply = asReply(await run(command));
      seen.code = 0;
    } catch (error) {
      reply = { fields: faultReply(error) };
      seen.code = reply.fields.code;
    }
  } catch (error) {
    reply = { fields: faultReply(error) };
  }
  return { parts: replyBytes(stamped(context, reply)), effects };
}

const isReply = (value: Reply | Document): value is Reply => "fields" in value && !("ok" in value);
const asReply = (value: Reply | Document): Reply => (isReply(value) ? value : { fields: value });

const aboutOf = ({ body, name }: Command): string => String((name === "getMore" ? body.collection : body[name]) ?? "");

async function run(command: Command): Promise<Reply | Document> {
  const { context, connection, name } = command;
  if (context.auth?.handles(name) === true) return context.auth.run(name, command.body, command.db, connection);
  if (context.auth !== undefined && !connection.authenticated && !OPEN_TO_ALL.has(name)) {
    throw new CommandError(13, `Command ${name} requires authentication`);
  }
  const handler = (HANDLERS as Handlers)[name];
  if (handler === undefined || !Object.hasOwn(HANDLERS, name)) throw new CommandError(59, `no such command: '${name}'`);
  return perform(command, handler);
}

function stamped(context: ServerContext, reply: Reply): Reply {
  const { ok = 1, ...fields } = reply.fields;
  const all: Document = { ...fields, ok };
  if (context.setName !== undefined) {
    const now = timestampOf(context.store.last);
    all.$clusterTime = { clusterTime: now, signature: NO_SIGNATURE };
    all.operationTime = now;
  }
  return { fields: all, batch: reply.batch };
}

export const HANDLERS: Handlers = {
  ...HELLO,
  ...READING,
  ...COUNTING,
  ...WRITING,
  ...COLLECTIONS,
  ...INDEXES,
  ...REPLICATION,
  ...VALIDATING,
  ...MISC,
};
