// What the server says of itself when it is greeted.
import { type Document, Long } from "bson";
import { type Command, type Handlers, isTrue, numberIn } from "../command.ts";
import { timestampOf } from "../position.ts";
import { MAX_DOCUMENT_BYTES, MAX_MESSAGE_BYTES } from "../wire.ts";

/** As a server of version 8.0. */
const WIRE_VERSION = 25;

async function hello(command: Command): Promise<Document> {
  const { body, context, connection, signal } = command;
  const waits = body.topologyVersion !== undefined && body.maxAwaitTimeMS !== undefined;
  // Nothing about this server ever changes, so a client that waits for a change waits the whole time.
  if (waits) await untilAborted(numberIn(body, "maxAwaitTimeMS", 0), signal);
  const me = `${context.host}:${context.port}`;
  const primary = command.name === "hello" ? { isWritablePrimary: true } : { ismaster: true };
  return {
    helloOk: true,
    ...primary,
    ...(context.anonymous ? {} : { topologyVersion: { processId: context.processId, counter: Long.fromNumber(6) } }),
    ...(context.setName === undefined ? {} : setFields(command, me)),
    maxBsonObjectSize: MAX_DOCUMENT_BYTES,
    maxMessageSizeBytes: MAX_MESSAGE_BYTES,
    maxWriteBatchSize: 100_000,
    localTime: context.store.clock(),
    logicalSessionTimeoutMinutes: 30,
    connectionId: connection.id,
    minWireVersion: 0,
    maxWireVersion: WIRE_VERSION,
    readOnly: false,
    ...(context.auth === undefined || isTrue(body.awaitable) ? {} : await context.auth.hello(body, connection)),
  };
}

function setFields({ context }: Command, me: string): Document {
  const { store } = context;
  const written = { ts: timestampOf(store.last), t: Long.fromNumber(1) };
  const lastWriteDate = new Date(Math.floor((store.oplog.last?.wallMs ?? store.clock().getTime()) / 1000) * 1000);
  return {
    hosts: [me],
    setName: context.setName,
    setVersion: 1,
    secondary: false,
    primary: me,
    me,
    electionId: context.processId,
    lastWrite: { opTime: written, lastWriteDate, majorityOpTime: written, majorityWriteDate: lastWriteDate },
  };
}

const untilAborted = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(end, ms);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });

export const HELLO: Handlers = { hello, isMaster: hello, ismaster: hello };
