// The HTTP API: a route for each operation of the registry, jobs and their events, sessions, and the description of all that.
import { createHash } from "node:crypto";
import { Hono, type Context as Request } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ExitStatus } from "../../core/errors.ts";
import { type ApiEnv, callerIn, callerWith, guard } from "../people/guard.ts";
import { Rates } from "../people/rates.ts";
import { sessionRoutes } from "../people/sign-in.ts";
import type { Service } from "../service.ts";
import { planOperation, runOperation } from "./call.ts";
import { eventStream } from "./events.ts";
import { Jobs } from "./jobs.ts";
import { openApi } from "./openapi.ts";
import { type ApiOperation, apiOperations, parseRemote, requestOfQuery } from "./operations.ts";
import { answerProblem, problemResponse, refused } from "./problem.ts";

/** A request is names and values. */
const MOST_BODY_BYTES = 256 * 1024;
const MOST_KEY = 200;

/** Routes under /api. Health is mounted before, and needs no caller. */
export async function apiRoutes(app: Hono, service: Service): Promise<void> {
  const api = new Hono<ApiEnv>();
  const rates = new Rates(service.clock);
  const jobs = new Jobs(service);
  const operations = await apiOperations();
  const byName = new Map(operations.map((operation) => [operation.name, operation]));
  const description = JSON.stringify(await openApi());

  api.onError((error, request) => answerProblem(error, request.req.path, service.log));
  api.use(async (request, next) => {
    await next();
    request.header("x-content-type-options", "nosniff");
    request.header("referrer-policy", "no-referrer");
  });
  api.use(
    bodyLimit({
      maxSize: MOST_BODY_BYTES,
      onError: () => problemResponse(refused(413, `the body is larger than ${MOST_BODY_BYTES} bytes`)),
    }),
  );
  api.use(guard(service, rates));
  sessionRoutes(api, service, rates);

  api.get("/openapi.json", (request) => {
    callerIn(request);
    return answer(request, description);
  });

  const visibleJob = async (request: Request<ApiEnv>) => {
    callerWith(request, "look");
    const job = await jobs.find(request.req.param("id") ?? "");
    // A result may hold data: it takes what the operation takes.
    callerWith(request, byName.get(job.operation)?.access ?? "approve");
    return job;
  };
  api.get("/jobs/:id", async (request) => answer(request, JSON.stringify(await visibleJob(request))));
  api.get("/jobs/:id/events", async (request) => {
    const running = await jobs.running(request.req.param("id"));
    return eventStream(request, running, await visibleJob(request), service.signal);
  });
  api.post("/jobs/:id/cancel", async (request) => {
    const job = await visibleJob(request);
    jobs.cancel(job.id);
    return request.json(job, 202, { location: `/api/jobs/${job.id}` });
  });

  for (const operation of operations) {
    const { path, access, call, plan } = operation;
    if (plan !== undefined) {
      api.post(`/${path}/plan`, async (request) => {
        const { actor } = callerWith(request, access);
        const asked = parseRemote(operation, await jsonOf(request));
        const { result, exit } = await planOperation(service, operation, asked, { signal: signalOf(request, service), actor });
        return answer(request, JSON.stringify(result), exit);
      });
    }
    if (call === "job") {
      api.post(`/${path}`, async (request) => {
        const caller = callerWith(request, access);
        const key = keyOf(request);
        const job = await jobs.begin(operation, parseRemote(operation, await jsonOf(request)), caller, key);
        return request.json(job, 202, { location: `/api/jobs/${job.id}` });
      });
      continue;
    }
    const look = async (request: Request<ApiEnv>, given: (of: ApiOperation) => unknown): Promise<Response> => {
      const { actor } = callerWith(request, access);
      const asked = parseRemote(operation, await given(operation));
      const { result, exit } = await runOperation(service, operation, asked, { signal: signalOf(request, service), actor });
      return answer(request, JSON.stringify(result), exit);
    };
    if (call === "get") api.get(`/${path}`, (request) => look(request, (of) => requestOfQuery(of, new URL(request.req.url).searchParams)));
    else api.post(`/${path}`, (request) => look(request, () => jsonOf(request)));
  }

  // After the routes: what none of them answers. A stranger learns nothing about which there are.
  api.all("*", (request) => {
    callerIn(request);
    const path = request.req.path.replace(/^\/api/, "");
    const allowed = api.routes.filter((route) => route.method !== "ALL" && matches(route.path, path)).map(({ method }) => method);
    if (allowed.length === 0) throw refused(404, "the API has no such path");
    throw refused(405, `${path} does not take ${request.req.method}`, { allow: [...new Set(allowed)].join(", ") });
  });
  app.route("/api", api);
}

const matches = (pattern: string, path: string): boolean => new RegExp(`^${pattern.replaceAll(/:\w+/g, "[^/]+")}$`).test(path);

/** USAGE, with 415 or 422. */
async function jsonOf({ req }: Request): Promise<unknown> {
  const text = await req.text();
  if (text === "") return {};
  if (!/^application\/json\s*(;|$)/i.test(req.header("content-type") ?? "")) throw refused(415, "the body must be application/json");
  try {
    return JSON.parse(text);
  } catch {
    throw refused(422, "the body is not valid JSON");
  }
}

function keyOf({ req }: Request): string | undefined {
  const key = req.header("idempotency-key");
  if (key === undefined || (/^[\x21-\x7e]+$/.test(key) && key.length <= MOST_KEY)) return key;
  throw refused(422, `Idempotency-Key must be 1 to ${MOST_KEY} visible characters`);
}

/** A caller that has closed its connection needs no answer. */
const signalOf = ({ req }: Request, { signal }: Service): AbortSignal => AbortSignal.any([signal, req.raw.signal]);

/** JSON with an ETag, or 304 for a caller who has it. */
function answer({ req }: Request, body: string, exit?: ExitStatus): Response {
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 32)}"`;
  const headers: Record<string, string> = { etag, "cache-control": "private, no-cache" };
  if (exit !== undefined) headers["lifeboat-exit"] = String(exit);
  const known = (req.header("if-none-match") ?? "").split(",").map((one) => one.trim().replace(/^W\//, ""));
  if (known.includes(etag) || known.includes("*")) return new Response(null, { status: 304, headers });
  return new Response(body, { headers: { ...headers, "content-type": "application/json" } });
}
