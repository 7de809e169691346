// The commands of authentication: a conversation of SCRAM per connection, and what a shell asks about users.
// https://github.com/mongodb/specifications/blob/master/source/auth/auth.md
import { randomBytes } from "node:crypto";
import { Binary, type Document } from "bson";
import { CommandError } from "../errors.ts";
import type { Authenticator, ConnectionState, SandboxUser } from "./auth-types.ts";
import { beginScram, type ScramExchange, ScramRefusal } from "./scram.ts";
import { MECHANISMS, openUsers, USERS_DATABASE, type UserEntry, type Users } from "./users.ts";

/** A conversation between two messages of the client. */
interface Conversation {
  readonly exchange: ScramExchange;
  readonly skipEmptyExchange: boolean;
  /** The proof was right; older clients send one empty message more. */
  proven: boolean;
}

type Handler = (body: Document, database: string, connection: ConnectionState) => Document;

/** There is only ever one conversation of a connection. */
const CONVERSATION = 1;
const REFUSED = "Authentication failed.";

export function openAuthenticator(known: readonly SandboxUser[]): Authenticator {
  const users = openUsers(known);
  const start: Handler = (body, database, connection) => startConversation(users, body, database, connection);
  const handlers: Readonly<Record<string, Handler>> = {
    saslStart: start,
    saslContinue: (body, _database, connection) => continueConversation(body, connection),
    authenticate(body) {
      const mechanism = String(body.mechanism);
      throw new CommandError(334, `Received authentication for mechanism ${mechanism} which is unknown or not enabled`);
    },
    logout(_body, _database, connection) {
      connection.authenticated = false;
      connection.user = undefined;
      connection.conversation = undefined;
      return {};
    },
    connectionStatus: (_body, _database, { user }) => {
      const entry = user === undefined ? undefined : users.entry(USERS_DATABASE, user);
      return {
        authInfo: {
          authenticatedUsers: entry ? [{ user: entry.user, db: entry.db }] : [],
          authenticatedUserRoles: entry?.roles ?? [],
        },
      };
    },
    usersInfo(body, database, connection) {
      assertEntered(users, connection, "usersInfo");
      return { users: users.entries.filter((entry) => isMeant(body.usersInfo, database, entry)) };
    },
    rolesInfo(_body, _database, connection) {
      assertEntered(users, connection, "rolesInfo");
      return { roles: [] };
    },
  };
  return {
    handles: (command) => Object.hasOwn(handlers, command),
    run(command, body, database, connection) {
      const handler = handlers[command];
      if (handler === undefined) throw new CommandError(59, `no such command: '${command}'`);
      return handler(body, database, connection);
    },
    hello(body, connection) {
      const added: Document = {};
      if (typeof body.saslSupportedMechs === "string") {
        const dot = body.saslSupportedMechs.indexOf(".");
        const entry = users.entry(body.saslSupportedMechs.slice(0, dot), body.saslSupportedMechs.slice(dot + 1));
        if (entry) added.saslSupportedMechs = entry.mechanisms;
      }
      const early = body.speculativeAuthenticate as Document | undefined;
      if (early?.saslStart !== undefined) {
        try {
          added.speculativeAuthenticate = start(early, String(early.db), connection);
        } catch (error) {
          // A first guess that was wrong is not an error: the client begins again in earnest and then hears why.
          if (!(error instanceof CommandError)) throw error;
        }
      }
      return added;
    },
  };
}

function startConversation(users: Users, body: Document, database: string, connection: ConnectionState): Document {
  connection.conversation = undefined;
  const mechanism = String(body.mechanism);
  const hash = Object.hasOwn(MECHANISMS, mechanism) ? MECHANISMS[mechanism] : undefined;
  if (hash === undefined) throw new CommandError(334, `Received authentication for mechanism ${mechanism} which is unknown or not enabled`);
  const exchange = refusing(() => {
    const keysOf = (user: string) => users.keys(hash, database, user);
    return beginScram(hash, textOf(body.payload), keysOf, randomBytes(24).toString("base64"));
  });
  const conversation: Conversation = { exchange, skipEmptyExchange: body.options?.skipEmptyExchange === true, proven: false };
  connection.conversation = conversation;
  return answer(exchange.first, false);
}

function continueConversation(body: Document, connection: ConnectionState): Document {
  const conversation = connection.conversation as Conversation | undefined;
  if (conversation === undefined) throw new CommandError(17, "No SASL session state found");
  if (Number(body.conversationId) !== CONVERSATION) throw new CommandError(17, "sasl: Mismatched conversation id");
  const { exchange, skipEmptyExchange, proven } = conversation;
  if (!proven) {
    connection.conversation = undefined; // one proof is all that may be tried
    const last = refusing(() => exchange.finish(textOf(body.payload)));
    if (!skipEmptyExchange) {
      connection.conversation = { ...conversation, proven: true } satisfies Conversation;
      return answer(last, false);
    }
    enter(connection, exchange.user);
    return answer(last, true);
  }
  connection.conversation = undefined;
  if (textOf(body.payload) !== "") throw new CommandError(18, REFUSED);
  enter(connection, exchange.user);
  return answer("", true);
}

function enter(connection: ConnectionState, user: string): void {
  connection.authenticated = true;
  connection.user = user;
}

const answer = (payload: string, done: boolean): Document => ({
  conversationId: CONVERSATION,
  done,
  payload: new Binary(Buffer.from(payload)),
});

/** A client that fails learns only that. */
function refusing<T>(act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (error instanceof ScramRefusal) throw new CommandError(18, REFUSED);
    throw error;
  }
}

/** Clients send their messages as binary, and old ones as text in base64. */
function textOf(payload: unknown): string {
  if (payload instanceof Binary) return Buffer.from(payload.buffer.subarray(0, payload.position)).toString();
  if (payload instanceof Uint8Array) return Buffer.from(payload).toString();
  return typeof payload === "string" ? Buffer.from(payload, "base64").toString() : "";
}

function assertEntered(users: Users, connection: ConnectionState, command: string): void {
  if (users.entries.length > 0 && !connection.authenticated) throw new CommandError(13, `Command ${command} requires authentication`);
}

/** What `usersInfo` may ask for: 1 (those of this database), a name, `{user, db}`, `{forAllDBs: true}`, or a list of these. */
function isMeant(asked: unknown, database: string, entry: UserEntry): boolean {
  if (Array.isArray(asked)) return asked.some((each) => isMeant(each, database, entry));
  if (typeof asked === "string") return entry.user === asked && entry.db === database;
  if (typeof asked === "object" && asked !== null && "forAllDBs" in asked) return true;
  if (typeof asked === "object" && asked !== null && "user" in asked) {
    const { user, db = database } = asked as Document;
    return entry.user === user && entry.db === db;
  }
  return entry.db === database;
}
