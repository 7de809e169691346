// The service in this process, on a free port of loopback, with the configuration of a world.
import { randomBytes } from "node:crypto";
import { compose } from "../../src/compose.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Role } from "../../src/core/people.ts";
import { serve } from "../../src/server/serve.ts";
import { systemClock } from "../../src/system-clock.ts";
import type { World } from "./program.ts";

export interface TestService {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** All lines of its log. */
  readonly lines: string[];
  /** A request; with the text of a token, as its caller. */
  ask(path: string, options?: AskOptions): Promise<Response>;
  /** A token with these roles. Default: it expires in a day. */
  token(roles: readonly Role[], options?: { readonly expiresAt?: Date; readonly person?: string; readonly name?: string }): Promise<string>;
  /** Ends the service, as SIGTERM does. */
  end(): Promise<void>;
}

export interface AskOptions {
  readonly method?: string;
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Begins the service; it ends with the world. */
export async function beginService(world: World): Promise<TestService> {
  const config = loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
  const stop = new AbortController();
  const lines: string[] = [];
  const listening = Promise.withResolvers<string>();
  const tell =
    (level: string) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      lines.push(JSON.stringify({ level, message, ...fields }));
      if (typeof fields.url === "string") listening.resolve(fields.url);
    };
  const log = { info: tell("info"), warn: tell("warn"), error: tell("error") };
  const around = { clock: systemClock, lifeboat: "test", env: world.env };
  const load = () => loadConfig({ file: world.configFile, env: world.env, cwd: world.directory });
  const served = serve({ config, load, onHangup() {}, log, signal: stop.signal, host: "127.0.0.1", port: 0, ...around });
  served.catch(listening.reject);
  const end = async (): Promise<void> => {
    stop.abort();
    await served;
  };
  world.beforeEnd(end);
  const url = await listening.promise;
  return {
    url,
    lines,
    end,
    ask: (path, { method = "GET", token, body, headers = {} } = {}) =>
      fetch(`${url}${path}`, {
        method,
        redirect: "manual",
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { "content-type": "application/json" }),
          ...headers,
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      }),
    async token(roles, { expiresAt = new Date(Date.now() + 86_400_000), person, name = `test-${roles.join("-")}` } = {}) {
      const context = await compose(config, around);
      const created = context.people.createToken({ name, roles, person, createdAt: new Date(), createdBy: "test", expiresAt }, randomBytes);
      await context.close();
      return created.text;
    },
  };
}
