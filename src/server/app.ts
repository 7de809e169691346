// The HTTP side of the service: route modules, each mounted by one line of a list.
import { Hono } from "hono";
import { apiRoutes } from "./api/routes.ts";
import { healthRoutes } from "./routes/health.ts";
import type { Routes, Service } from "./service.ts";

/** In the order in which they see a request. Health needs no authentication and comes before it. */
const ROUTES: readonly Routes[] = [healthRoutes, apiRoutes];

export async function createApp(service: Service): Promise<Hono> {
  const app = new Hono();
  for (const mount of ROUTES) await mount(app, service);
  return app;
}
