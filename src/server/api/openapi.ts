// The description of the API (OpenAPI 3.1), from the registry's schemas: what is described here is what the routes check.
import * as z from "zod/mini";
import { jobEvent } from "../../operations/jobs/events.ts";
import { sessionView, signInRequest } from "../people/sign-in.ts";
import { apiJob } from "./job-store.ts";
import { type ApiOperation, apiOperations, type JsonSchema } from "./operations.ts";
import { PROBLEM_STATUSES, PROBLEM_TYPE, type ProblemStatus, problem } from "./problem.ts";

type Json = Readonly<Record<string, unknown>>;

/** Version of the API: fields and operations are only ever added. */
const API_VERSION = "1";

export async function openApi(): Promise<Json> {
  const schemas = new Schemas();
  schemas.all.problem = schemas.of(problem);
  const operations = await apiOperations();
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const { path, call, plan } = operation;
    const at = `/api/${path}`;
    paths[at] = {
      ...paths[at],
      [call === "get" ? "get" : "post"]: call === "get" ? looked(operation, schemas) : posted(operation, schemas),
    };
    if (plan !== undefined) paths[`${at}/plan`] = { post: planned(operation, schemas) };
  }
  Object.assign(paths, jobPaths(schemas), sessionPaths(schemas));
  paths["/api/openapi.json"] = {
    get: { ...common("openapi", "Describe the API"), responses: { 200: json("This document.", {}), ...PROBLEMS } },
  };
  return {
    openapi: "3.1.1",
    info: {
      title: "Lifeboat",
      version: API_VERSION,
      description: "Backups that are proven to restore. docs/api.md explains tokens, jobs, events and errors.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      schemas: schemas.all,
      responses: problemResponses(),
      securitySchemes: {
        token: { type: "http", scheme: "bearer", description: "A token that `lifeboat token create` made." },
        session: { type: "apiKey", in: "cookie", name: "__Host-lifeboat", description: "A session of the dashboard." },
      },
    },
  };
}

/** Named shapes become components; every reference points there. */
class Schemas {
  readonly all: Record<string, Json> = {};

  of(schema: z.core.$ZodType, io: "input" | "output" = "output"): Json {
    const { $defs = {}, $schema: _, ...own } = z.toJSONSchema(schema, { unrepresentable: "any", io });
    for (const [name, shape] of Object.entries($defs)) this.all[componentName(name)] ??= this.#settled(shape as Json);
    return this.#settled(own);
  }

  #settled(value: unknown): Json {
    return settle(value) as Json;
  }
}

const componentName = (name: string): string => name.replaceAll(/[^A-Za-z0-9._-]+/g, "-");

function settle(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(settle);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key, one]) => key !== "id" || typeof one !== "string")
      .map(([key, one]) => {
        if (key !== "$ref" || typeof one !== "string") return [key, settle(one)];
        return [key, `#/components/schemas/${componentName(decodeURIComponent(one.replace(/^#\/\$defs\//, "")))}`];
      }),
  );
}

const json = (description: string, schema: Json): Json => ({ description, content: { "application/json": { schema } } });

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

/** Any route may answer these. */
const PROBLEMS: Json = Object.fromEntries(PROBLEM_STATUSES.map((status) => [status, { $ref: `#/components/responses/problem-${status}` }]));

const problemResponses = (): Json =>
  Object.fromEntries(
    PROBLEM_STATUSES.map((status) => [
      `problem-${status}`,
      { description: DESCRIPTIONS[status], content: { [PROBLEM_TYPE]: { schema: ref("problem") } } },
    ]),
  );

const DESCRIPTIONS: Readonly<Record<ProblemStatus, string>> = {
  401: "No valid token and no session.",
  403: "The caller's roles do not allow it, it makes sense only on the machine of the service, or it takes an approval.",
  404: "There is no such source, restore point or job.",
  405: "The path takes another method.",
  409: "Another job works on it, or the plan has changed.",
  413: "The body is too large.",
  415: "The body is not JSON.",
  422: "The request is not valid.",
  429: "Too many requests; Retry-After says how long to wait.",
  500: "A bug in Lifeboat.",
  502: "The source, the provider or the storage has failed.",
  503: "The source, the provider or the storage does not answer now.",
};

const common = (operationId: string, summary: string, access?: string): Json => ({
  operationId,
  summary,
  ...(access !== undefined && { description: `Takes the access \`${access}\`.`, "x-lifeboat-access": access }),
});

const requestSchema = ({ fields, required }: ApiOperation): Json => ({
  type: "object",
  properties: settle(fields),
  ...(required.length > 0 && { required }),
  additionalProperties: false,
});

const bodyOf = (operation: ApiOperation): Json => ({
  requestBody: { required: operation.required.length > 0, content: { "application/json": { schema: requestSchema(operation) } } },
});

const ETAG = { ETag: { description: "For If-None-Match.", schema: { type: "string" } } };
const EXIT_HEADER = { "Lifeboat-Exit": { description: "Exit status of the same call on the command line.", schema: { type: "string" } } };

function answered(description: string, schema: Json): Json {
  return {
    200: { ...json(description, schema), headers: { ...ETAG, ...EXIT_HEADER } },
    304: { description: "As the caller has it (If-None-Match)." },
  };
}

function looked(operation: ApiOperation, schemas: Schemas): Json {
  const { name, summary, access, fields, required, result } = operation;
  return {
    ...common(operation.path, summary, access),
    parameters: Object.entries(fields).map(([field, schema]) => {
      const { description, ...own } = settle(schema) as JsonSchema;
      return {
        name: field,
        in: "query",
        required: required.includes(field),
        ...(description !== undefined && { description }),
        schema: own,
      };
    }),
    responses: { ...answered(`The result of ${name}.`, schemas.of(result)), ...PROBLEMS },
  };
}

function posted(operation: ApiOperation, schemas: Schemas): Json {
  const { name, path, summary, access, call, result } = operation;
  if (call === "post")
    return {
      ...common(path, summary, access),
      ...bodyOf(operation),
      responses: { ...answered(`The result of ${name}.`, schemas.of(result)), ...PROBLEMS },
    };
  return {
    ...common(path, summary, access),
    parameters: [
      {
        name: "Idempotency-Key",
        in: "header",
        required: false,
        description: "The same key and request give the same job, also after a restart of the service.",
        schema: { type: "string", minLength: 1, maxLength: 200, pattern: "^[!-~]+$" },
      },
    ],
    ...bodyOf(operation),
    responses: { 202: begun(schemas, { "x-lifeboat-result": schemas.of(result) }), ...PROBLEMS },
  };
}

const begun = (schemas: Schemas, more: Json = {}): Json => ({
  ...json("The job. Its `result` is the operation's result when it is done.", jobSchema(schemas)),
  headers: { Location: { description: "Path of the job.", schema: { type: "string" } } },
  ...more,
});

const jobSchema = (schemas: Schemas): Json => {
  schemas.all.job ??= schemas.of(apiJob);
  return ref("job");
};

const planned = (operation: ApiOperation, schemas: Schemas): Json => ({
  ...common(`${operation.path}-plan`, `Say what ${operation.name} would do; changes nothing`, operation.access),
  ...bodyOf(operation),
  responses: { ...answered("The plan.", operation.plan === undefined ? {} : schemas.of(operation.plan.result)), ...PROBLEMS },
});

/** One event of the stream. Its data is JSON. */
const eventSchema = (event: Json, job: Json): Json => ({
  type: "object",
  properties: {
    id: { type: "string", description: "For Last-Event-ID." },
    event: { type: "string", description: "The type of the event." },
    data: { type: "string", contentMediaType: "application/json", contentSchema: { anyOf: [event, job] } },
  },
});

function jobPaths(schemas: Schemas): Record<string, Json> {
  const id = { name: "id", in: "path", required: true, description: "Id of the job.", schema: { type: "string", minLength: 1 } };
  const access = "Takes the access `look`, and the access of the job's operation.";
  const job = jobSchema(schemas);
  const event = schemas.of(jobEvent);
  return {
    "/api/jobs/{id}": {
      get: {
        ...common("job", "Show a job that a caller began"),
        description: access,
        parameters: [id],
        responses: { ...answered("The job.", job), ...PROBLEMS },
      },
    },
    "/api/jobs/{id}/events": {
      get: {
        ...common("job-events", "Follow a job until it ends"),
        description: `${access} Each event has a type and JSON data; the last one is \`finished\` and has the job.`,
        parameters: [
          id,
          {
            name: "Last-Event-ID",
            in: "header",
            required: false,
            description: "Number of the last event that was read.",
            schema: { type: "string" },
          },
        ],
        responses: {
          200: {
            description: "Server-sent events.",
            content: { "text/event-stream": { schema: eventSchema(event, job) } },
          },
          204: { description: "The last event was read already." },
          ...PROBLEMS,
        },
      },
    },
    "/api/jobs/{id}/cancel": {
      post: {
        ...common("job-cancel", "Tell a job to stop; it cleans up and ends as failed with CANCELLED"),
        description: access,
        parameters: [id],
        responses: { 202: begun(schemas), ...PROBLEMS },
      },
    },
  };
}

function sessionPaths(schemas: Schemas): Record<string, Json> {
  const none = { 204: { description: "Done." } };
  return {
    "/api/session": {
      get: {
        ...common("session", "Say who the caller is"),
        responses: { 200: json("The caller.", schemas.of(sessionView)), ...PROBLEMS },
      },
      post: {
        ...common("sign-in", "Begin a session with a token, from the dashboard"),
        security: [],
        requestBody: { required: true, content: { "application/json": { schema: schemas.of(signInRequest, "input") } } },
        responses: { ...none, ...PROBLEMS },
      },
      delete: { ...common("sign-out", "End the session"), responses: { ...none, ...PROBLEMS } },
    },
    "/api/session/oidc": {
      get: {
        ...common("oidc-begin", "Sign in at the OpenID Connect provider"),
        security: [],
        responses: { 303: { description: "To the provider." }, ...PROBLEMS },
      },
    },
    "/api/session/oidc/callback": {
      get: {
        ...common("oidc-end", "Come back from the OpenID Connect provider"),
        security: [],
        responses: {
          200: { description: "Signed in; a page that leads on.", content: { "text/html": { schema: { type: "string" } } } },
          ...PROBLEMS,
        },
      },
    },
  };
}
