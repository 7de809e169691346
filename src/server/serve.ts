// The long-running service: begins everything, and ends it in the opposite order when its signal aborts.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { compose, type Surroundings } from "../compose.ts";
import type { Config } from "../config/load.ts";
import { LifeboatError } from "../core/errors.ts";
import { createApp } from "./app.ts";
import type { Log } from "./logs.ts";
import { assertMayListen } from "./people/origin.ts";
import { type Service, Wiring } from "./service.ts";

export interface ServeOptions extends Omit<Surroundings, "signal"> {
  readonly config: Config;
  readonly log: Log;
  /** Overrides `server.host` and `server.port` of the configuration. Port 0: one that is free. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  /** Told to stop. */
  readonly signal: AbortSignal;
}

/** Serves until the signal aborts. Throws what `compose` throws, and ADDRESS_UNAVAILABLE. */
export async function serve({ config, log, signal, host, port, ...around }: ServeOptions): Promise<void> {
  const wiring = new Wiring(config, await compose(config, around));
  const service: Service = {
    clock: around.clock,
    log,
    signal,
    config: () => wiring.config,
    use: (run) => wiring.use(run),
  };
  try {
    const http = await listen(service, host ?? config.server.host, port ?? config.server.port);
    try {
      if (!signal.aborted) await once(signal, "abort");
      log.info("the service is stopping");
    } finally {
      await http.end();
    }
  } finally {
    await wiring.end();
  }
  log.info("the service has stopped");
}

async function listen(service: Service, hostname: string, port: number): Promise<{ end(): Promise<void> }> {
  assertMayListen(hostname, service.config().people);
  const { fetch } = await createApp(service);
  const server = createAdaptorServer({ fetch });
  server.listen(port, hostname);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new LifeboatError("ADDRESS_UNAVAILABLE", `the service cannot listen at ${hostname}:${port} (${code})`, { cause: error });
  }
  const { address, family, port: bound } = server.address() as AddressInfo;
  service.log.info("the service is listening", { url: `http://${family === "IPv6" ? `[${address}]` : address}:${bound}` });
  return {
    async end() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
      if ("closeAllConnections" in server) server.closeAllConnections();
      await closed;
    },
  };
}
