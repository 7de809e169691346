// The HTTP side of the service: route modules, each mounted by one line of a list, behind a server on one address.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { LifeboatError } from "../core/errors.ts";
import { apiRoutes } from "./api/routes.ts";
import { assertMayListen } from "./people/origin.ts";
import { healthRoutes } from "./routes/health.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import type { Routes, Service } from "./service.ts";

/** In the order in which they see a request. Health needs no authentication and comes before it. */
const ROUTES: readonly Routes[] = [healthRoutes, apiRoutes, metricsRoutes];

export async function createApp(service: Service): Promise<Hono> {
  const app = new Hono();
  for (const mount of ROUTES) await mount(app, service);
  return app;
}

/** Why an address cannot be had, and what to do then. */
const UNAVAILABLE: Readonly<Record<string, readonly [why: string, hint?: string]>> = {
  EADDRINUSE: ["another program listens there"],
  EACCES: ["only an administrator may use a port below 1024", "choose another port with --port"],
  EADDRNOTAVAIL: ["this machine does not have that address", "name an address of this machine with --host, such as 127.0.0.1"],
  ENOTFOUND: ["there is no host of that name", "name an address of this machine with --host, such as 127.0.0.1"],
};

/** Listens at the address. Throws ADDRESS_UNAVAILABLE. */
export async function listen(service: Service, hostname: string, port: number): Promise<{ end(): Promise<void> }> {
  assertMayListen(hostname, service.config().people);
  const { fetch } = await createApp(service);
  const server = createAdaptorServer({ fetch });
  server.listen(port, hostname);
  try {
    await once(server, "listening");
  } catch (error) {
    const { code = "unknown" } = error as NodeJS.ErrnoException;
    const [why, hint] = UNAVAILABLE[code] ?? [code];
    throw new LifeboatError("ADDRESS_UNAVAILABLE", `the service cannot listen at ${hostname}:${port}: ${why}`, {
      details: { code },
      ...(hint !== undefined && { hint }),
    });
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
