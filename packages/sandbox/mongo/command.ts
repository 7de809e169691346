// One command: its contents, and the server that it runs in.
import type { Document } from "bson";
import type { Authenticator, ConnectionState } from "./auth/auth-types.ts";
import type { Cursors } from "./cursors.ts";
import { CommandError } from "./errors.ts";
import { assemble, type Element, elementBytes, elements, type Raw, rawArray, rawOf, typedOf } from "./raw.ts";
import type { Reply } from "./reply.ts";
import type { Sessions } from "./sessions.ts";
import type { Store } from "./store.ts";
import type { Transaction, Transactions } from "./transactions.ts";
import { toNumber } from "./values.ts";
import type { Message } from "./wire.ts";

/** The server that a command runs in. */
export interface ServerContext {
  readonly store: Store;
  readonly cursors: Cursors;
  readonly sessions: Sessions;
  readonly transactions: Transactions;
  readonly auth: Authenticator | undefined;
  readonly host: string;
  readonly port: number;
  /** Name of the replica set; undefined: a server of its own. */
  readonly setName: string | undefined;
  readonly setId: Document | undefined;
  readonly version: string;
  readonly processId: Document;
  /** It does not say which process it is. */
  readonly anonymous: boolean;
  readonly snapshotReads: boolean;
  /** How old a snapshot may be. */
  readonly historyMs: number;
  readonly startedAt: Date;
  connections(): number;
}

export interface Command {
  readonly context: ServerContext;
  readonly store: Store;
  readonly name: string;
  readonly db: string;
  /** The command with typed values, without the fields that hold many documents. */
  readonly body: Document;
  /** The body as it came. */
  readonly raw: Buffer;
  readonly sequences: ReadonlyMap<string, readonly Raw[]>;
  readonly connection: ConnectionState;
  /** Aborted when the connection is gone. */
  readonly signal: AbortSignal;
  readonly legacy: boolean;
  /** The transaction that it runs in. */
  readonly transaction?: Transaction | undefined;
}

export type Handler = (command: Command) => Reply | Document | Promise<Reply | Document>;
export type Handlers = Readonly<Record<string, Handler>>;

/** Fields whose documents are handed on as bytes. */
const RAW_FIELDS: readonly string[] = ["documents", "updates", "deletes"];

export function commandOf(context: ServerContext, message: Message, connection: ConnectionState, signal: AbortSignal): Command {
  const kept: Element[] = [];
  const sequences = new Map(message.sequences);
  for (const element of elements(message.body, 0)) {
    if (element.type === 4 && RAW_FIELDS.includes(element.name)) sequences.set(element.name, rawArray(message.body, element));
    else kept.push(element);
  }
  const whole = kept.map((element) => elementBytes(message.body, element));
  let body = typedOf(rawOf(sequences.size === message.sequences.size ? message.body : assemble(whole)));
  if (message.legacyNs !== undefined && body.$query !== undefined) body = body.$query;
  const db = message.legacyNs?.split(".")[0] ?? body.$db;
  if (typeof db !== "string") throw new CommandError(40571, "OP_MSG requests require a $db argument");
  const name = Object.keys(body)[0] ?? "";
  return {
    context,
    store: context.store,
    name,
    db,
    body,
    raw: message.body,
    sequences,
    connection,
    signal,
    legacy: message.legacyNs !== undefined,
  };
}

/** The collection that the command is about: the value of its first field. */
export function collectionOf(command: Command): string {
  const name = command.body[command.name];
  if (typeof name !== "string") throw new CommandError(73, `collection name has invalid type ${typeof name}`);
  return name;
}

/** A whole number of the body, or what is said instead. */
export function numberIn<T extends number | undefined>(body: Document, name: string, otherwise: T): number | T {
  const value = body[name];
  if (value === undefined || value === null) return otherwise;
  const number = toNumber(value);
  if (Number.isNaN(number)) throw new CommandError(14, `${name} is not a number`);
  return number;
}

export const isTrue = (value: unknown): boolean =>
  value === true || (typeof value === "object" && value !== null && toNumber(value) > 0) || value === 1;
