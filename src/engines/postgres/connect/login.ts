// What the `pg` library leaves out of a login: the methods that an address allows (`require_auth`, `channel_binding=require`), the password
// file, and a server whose answer is not one of the protocol, which would end the whole process.
import type { Duplex } from "node:stream";
import type pg from "pg";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { passwordOf } from "./passfile.ts";
import type { ConnectionParts } from "./url.ts";

export interface Login {
  /** Called when the server asks for a password. Throws SOURCE_AUTH before one is sent that the address does not allow to be sent. */
  password(): Promise<string>;
  /** Before the client connects. */
  watch(client: pg.Client): void;
  /** After it connected: throws SOURCE_AUTH when the server let us in by less than the address asks for. */
  confirm(): void;
}

/** The library's own connection: its events carry the names of the protocol's messages. */
interface Wire {
  on(event: string, listener: (message: { readonly mechanisms?: readonly string[] }) => void): void;
  attachListeners(stream: Duplex): void;
}

const METHODS = {
  authenticationCleartextPassword: "password",
  authenticationMD5Password: "md5",
  authenticationSASL: "scram-sha-256",
} as const;

export function watchLogin(parts: ConnectionParts, { label }: Connection): Login {
  let method = "none";
  let bound = false;
  const { require_auth: allowed, channel_binding: binding } = parts.parameters;
  const confirm = (): void => {
    const refused = (why: string) => {
      throw new LifeboatError("SOURCE_AUTH", `did not log in to ${label}: ${why}`, {
        hint: "correct the server's pg_hba.conf, or the address",
      });
    };
    const how = method === "none" ? "the server asks for no password" : `the server asks for ${method}`;
    if (allowed !== undefined && !allows(allowed, method)) refused(`${how}, and require_auth allows ${allowed}`);
    if (binding === "require" && !bound) refused(`${how} without channel binding, and channel_binding=require asks for it`);
  };
  return {
    async password() {
      confirm();
      const found = passwordOf(parts);
      if (found !== undefined) return found;
      throw new LifeboatError("SOURCE_AUTH", `cannot log in to ${label}: the server asks for a password, and the address holds none`);
    },
    watch(client) {
      const wire = (client as unknown as { connection: Wire }).connection;
      for (const [event, name] of Object.entries(METHODS)) {
        wire.on(event, ({ mechanisms = [] }) => {
          method = name;
          bound = mechanisms.includes("SCRAM-SHA-256-PLUS");
        });
      }
      guard(wire);
    },
    confirm,
  };
}

/** Some of them with `!`: all others. */
function allows(list: string, method: string): boolean {
  const words = list.split(",");
  return list.startsWith("!") ? !words.includes(`!${method}`) : words.includes(method);
}

/** The library reads messages in a listener of the socket, where an error of it would be one that nothing catches. */
function guard(wire: Wire): void {
  const attach = wire.attachListeners.bind(wire);
  wire.attachListeners = (stream) => {
    const { on } = stream;
    stream.on = ((event: string, listener: (data: Buffer) => void) => {
      const guarded = (data: Buffer): void => {
        try {
          listener(data);
        } catch (error) {
          stream.destroy(error as Error);
        }
      };
      return on.call(stream, event, event === "data" ? guarded : listener);
    }) as Duplex["on"];
    attach(stream);
    stream.on = on;
  };
}
