// /metrics, in the text format of Prometheus. It names sources, so a caller needs the access to look: a token in the scrape configuration.
import { Hono } from "hono";
import { answerProblem } from "../api/problem.ts";
import { openMetrics } from "../metrics.ts";
import { type ApiEnv, callerWith, guard } from "../people/guard.ts";
import { Rates } from "../people/rates.ts";
import type { Routes } from "../service.ts";

export const metricsRoutes: Routes = (app, service) => {
  const { contentType, text } = openMetrics(service);
  const metrics = new Hono<ApiEnv>();
  metrics.onError((error, request) => answerProblem(error, request.req.path, service.log));
  metrics.use(guard(service, new Rates(service.clock)));
  metrics.get("/", async (request) => {
    callerWith(request, "look");
    return request.body(await text(), 200, { "content-type": contentType });
  });
  app.route("/metrics", metrics);
};
