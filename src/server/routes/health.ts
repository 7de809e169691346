// /api/health: what an uptime monitor asks every few seconds. No secrets, and no authentication.
import type { Routes } from "../service.ts";

export const healthRoutes: Routes = (app, { signal }) => {
  app.get("/api/health", (c) => (signal.aborted ? c.json({ status: "stopping" }, 503) : c.json({ status: "ok" }, 200)));
};
