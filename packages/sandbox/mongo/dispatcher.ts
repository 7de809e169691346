// From a message to its answer: finds the command, guards it, and puts the times of the set into what it answers.
import { Binary, type Document, Long } from "bson";
import type { ConnectionState } from "./auth/auth-types.ts";
import { type Call, callOf, type Handlers, type World } from "./call.ts";
import { HANDLERS } from "./commands/all.ts";
import { faultReply, MongoFault } from "./errors.ts";
import type { Effect, FaultList } from "./faults.ts";
import { refusalOf } from "./faults.ts";
import { perform } from "./once.ts";
import { timestampOf } from "./position.ts";
import { type Reply, replyBytes } from "./reply.ts";
import type { Message } from "./wire.ts";

/** What anybody may ask before they said who they are. */
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
  world: World,
  faults: FaultList,
  message: Message,
  connection: ConnectionState,
  signal: AbortSignal,
  suffer: (effects: readonly Effect[]) => Promise<void>,
): Promise<Outcome> {
  let effects: readonly Effect[] = [];
  let reply: Reply;
  try {
    const call = callOf(world, message, connection, signal);
    const documents = [...call.sequences.values()].reduce((sum, { length }) => sum + length, 0);
    const seen = faults.note({ command: call.name, db: call.db, body: call.body, documents, connection: connection.id });
    effects = faults.take(call.name, call.db, aboutOf(call));
    await suffer(effects);
    try {
      const refusal = refusalOf(effects);
      if (refusal !== undefined) throw refusal;
      reply = asReply(await run(call));
      seen.code = 0;
    } catch (error) {
      reply = { fields: faultReply(error) };
      seen.code = reply.fields.code;
    }
  } catch (error) {
    reply = { fields: faultReply(error) };
  }
  return { parts: replyBytes(stamped(world, reply)), effects };
}

const isReply = (value: Reply | Document): value is Reply => "fields" in value && !("ok" in value);
const asReply = (value: Reply | Document): Reply => (isReply(value) ? value : { fields: value });

const aboutOf = ({ body, name }: Call): string => String((name === "getMore" ? body.collection : body[name]) ?? "");

async function run(call: Call): Promise<Reply | Document> {
  const { world, connection, name } = call;
  if (world.auth?.handles(name) === true) return world.auth.run(name, call.body, call.db, connection);
  if (world.auth !== undefined && !connection.authenticated && !OPEN_TO_ALL.has(name)) {
    throw new MongoFault(13, `Command ${name} requires authentication`);
  }
  const handler = (HANDLERS as Handlers)[name];
  if (handler === undefined || !Object.hasOwn(HANDLERS, name)) throw new MongoFault(59, `no such command: '${name}'`);
  return perform(call, handler);
}

function stamped(world: World, reply: Reply): Reply {
  const { ok = 1, ...fields } = reply.fields;
  const all: Document = { ...fields, ok };
  if (world.setName !== undefined) {
    const now = timestampOf(world.store.last);
    all.$clusterTime = { clusterTime: now, signature: NO_SIGNATURE };
    all.operationTime = now;
  }
  return { fields: all, batch: reply.batch };
}
