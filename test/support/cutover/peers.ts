// Services that hold an application's variables, as their interfaces judge a request: each keeps one variable and counts deployments.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { TestContext } from "node:test";
import { beginPeer, jsonOf, type Peer, type Received, rule } from "../notify/peer.ts";

type Json = Record<string, unknown>;

export const TOKEN = "tok_0123456789abcdef";
export const VARIABLE = "DATABASE_URL";

export interface Service extends Peer {
  /** What the service holds. */
  variable(): Json;
  /** Values that deployments began with, in order. */
  readonly deployed: unknown[];
  /** How the next deployments end; then as usual. */
  readonly endings: string[];
}

/** Called at each deployment; the deployment is over when it resolves. */
type OnDeploy = (value: string) => Promise<void>;

interface Deployments {
  begin(value: unknown): string;
  stateOf(id: string): "running" | "done" | string;
  readonly deployed: unknown[];
  readonly endings: string[];
}

function deploymentsBy(onDeploy: OnDeploy | undefined): Deployments {
  const states = new Map<string, string>();
  const deployed: unknown[] = [];
  const endings: string[] = [];
  return {
    deployed,
    endings,
    begin(value) {
      const id = `d${deployed.push(value)}`;
      const ending = endings.shift() ?? "done";
      states.set(id, "running");
      void (onDeploy?.(String(value)) ?? Promise.resolve()).finally(() => setImmediate(() => states.set(id, ending)));
      return id;
    },
    stateOf(id) {
      const state = states.get(id);
      rule(state !== undefined, JSON.stringify({ message: "Deployment not found." }), 404);
      return state;
    },
  };
}

function authorized({ headers }: Received): void {
  rule(headers.authorization === `Bearer ${TOKEN}`, JSON.stringify({ message: "Unauthenticated." }), 401);
}

const json = (status: number, body: unknown) => ({ status, body: JSON.stringify(body) });

const COOLIFY_FLAGS = ["is_literal", "is_multiline", "is_shown_once", "is_runtime", "is_buildtime"];
const COOLIFY_FIELDS = ["key", "value", "is_preview", ...COOLIFY_FLAGS, "comment"];

/** Coolify 4.3: `old` accepts the deployment by GET alone, `hidden` has a token that may not read values. */
export async function beginCoolify(
  t: TestContext,
  value: string,
  { onDeploy, old, hidden }: { onDeploy?: OnDeploy; old?: boolean; hidden?: boolean } = {},
): Promise<Service & { readonly application: string }> {
  const application = "rg8ks8c";
  const deployments = deploymentsBy(onDeploy);
  const one: Json = { uuid: "e1", key: VARIABLE, value, is_preview: false, is_literal: true, is_multiline: false, is_shown_once: false };
  Object.assign(one, { is_runtime: true, is_buildtime: false, comment: "the shop's database" });
  const preview: Json = { ...one, uuid: "e2", is_preview: true, value: "postgres://preview/preview" };
  const peer = await beginPeer(t, (received) => {
    const { method, url } = received;
    const path = url.pathname.replace(/^\/api\/v1/, "");
    authorized(received);
    if (path === `/applications/${application}/envs` && method === "GET") {
      const shown = [preview, one].map(({ value: text, ...rest }) => (hidden ? rest : { ...rest, value: text, real_value: text }));
      return json(200, shown);
    }
    if (path === `/applications/${application}/envs/bulk` && method === "PATCH") {
      const { data } = jsonOf(received);
      rule(Array.isArray(data), JSON.stringify({ message: "Bulk data is required." }), 400);
      for (const item of data as Json[]) {
        const unknown = Object.keys(item).find((field) => !COOLIFY_FIELDS.includes(field));
        rule(unknown === undefined, JSON.stringify({ message: "Validation failed.", errors: { [String(unknown)]: "not allowed" } }), 422);
        const target = item.is_preview === true ? preview : one;
        rule(item.key === target.key, JSON.stringify({ message: "it would be created" }), 422);
        // What is left out is reset.
        const reset = Object.fromEntries(COOLIFY_FLAGS.map((flag) => [flag, false]));
        Object.assign(target, reset, { comment: null }, item);
      }
      return json(201, [one]);
    }
    if (path === "/deploy") {
      const wanted = old ? "GET" : "POST";
      if (method !== wanted)
        return old
          ? json(404, { message: "Not found." })
          : { ...json(405, { message: "This endpoint has changed to a POST request." }), headers: { allow: "POST" } };
      rule(url.searchParams.get("uuid") === application, JSON.stringify({ message: "No resources found." }), 404);
      const id = deployments.begin(one.value);
      return json(200, { deployments: [{ message: "queued", resource_uuid: application, deployment_uuid: id }] });
    }
    if (path === `/applications/${application}/restart` && method === "POST")
      return json(200, { message: "Restart request queued.", deployment_uuid: deployments.begin(one.value) });
    const [, id] = /^\/deployments\/(\w+)$/.exec(path) ?? [];
    rule(id !== undefined && method === "GET", JSON.stringify({ message: "Not found." }), 404);
    const state = deployments.stateOf(id);
    return json(200, { status: state === "running" ? "in_progress" : state === "done" ? "finished" : state });
  });
  return { ...peer, ...deployments, variable: () => one, application };
}

export async function beginRender(t: TestContext, value: string): Promise<Service & { readonly service: string }> {
  const service = "srv-1";
  const deployments = deploymentsBy(undefined);
  const one: Json = { key: VARIABLE, value };
  const peer = await beginPeer(t, (received) => {
    const { method, url } = received;
    authorized(received);
    if (url.pathname === `/services/${service}/env-vars/${VARIABLE}`) {
      if (method === "GET") return json(200, one);
      rule(method === "PUT", "{}", 405);
      const body = jsonOf(received);
      rule(typeof body.value === "string" && Object.keys(body).length === 1, JSON.stringify({ message: "invalid body" }));
      one.value = body.value;
      return json(200, one);
    }
    if (url.pathname === `/services/${service}/deploys` && method === "POST")
      return json(201, { id: deployments.begin(one.value), status: "created" });
    const [, id] = new RegExp(`^/services/${service}/deploys/(\\w+)$`).exec(url.pathname) ?? [];
    rule(id !== undefined, JSON.stringify({ message: "not found" }), 404);
    const state = deployments.stateOf(id);
    return json(200, { id, status: state === "running" ? "update_in_progress" : state === "done" ? "live" : state });
  });
  return { ...peer, ...deployments, variable: () => one, service };
}

export async function beginVercel(t: TestContext, value: string, type = "encrypted"): Promise<Service> {
  const deployments = deploymentsBy(undefined);
  const one: Json = { id: "env_1", key: VARIABLE, value, type, target: ["production"] };
  const preview = { ...one, id: "env_0", target: ["preview"], value: "elsewhere" };
  const peer = await beginPeer(t, (received) => {
    const { method, url } = received;
    authorized(received);
    rule(url.searchParams.get("teamId") === "team_1", JSON.stringify({ error: { message: "Not authorized" } }), 403);
    if (url.pathname === "/v10/projects/shop/env" && method === "GET")
      return json(200, { envs: [preview, one].map((env) => ({ ...env, value: "encrypted:…" })) });
    if (url.pathname === "/v1/projects/shop/env/env_1" && method === "GET") return json(200, one);
    if (url.pathname === "/v9/projects/shop/env/env_1" && method === "PATCH") {
      Object.assign(one, jsonOf(received));
      return json(200, one);
    }
    if (url.pathname === "/v6/deployments") {
      rule(url.searchParams.get("target") === "production" && url.searchParams.get("state") === "READY", "{}");
      return json(200, { deployments: [{ uid: "dpl_0", name: "shop" }] });
    }
    if (url.pathname === "/v13/deployments" && method === "POST") {
      const body = jsonOf(received);
      rule(body.deploymentId === "dpl_0" && body.target === "production" && body.name === "shop", "{}");
      return json(200, { id: deployments.begin(one.value), readyState: "QUEUED" });
    }
    const [, id] = /^\/v13\/deployments\/(\w+)$/.exec(url.pathname) ?? [];
    rule(id !== undefined, "{}", 404);
    const state = deployments.stateOf(id);
    return json(200, { id, readyState: state === "running" ? "BUILDING" : state === "done" ? "READY" : state });
  });
  return { ...peer, ...deployments, variable: () => one };
}

export const RAILWAY = { project: "p1", environment: "e1", service: "s1" };

export async function beginRailway(t: TestContext, value: string): Promise<Service> {
  const deployments = deploymentsBy(undefined);
  const one: Json = { value };
  let newest = { id: "d0", status: "SUCCESS" };
  const isPlace = (given: unknown): boolean => {
    const { projectId, environmentId, serviceId } = given as Json;
    return projectId === RAILWAY.project && environmentId === RAILWAY.environment && serviceId === RAILWAY.service;
  };
  const refuse = (message: string) => json(200, { errors: [{ message }], data: null });
  const peer = await beginPeer(t, (received) => {
    authorized(received);
    const { query, variables } = jsonOf(received) as { query: string; variables: Json };
    if (query.startsWith("query variables"))
      return isPlace(variables) ? json(200, { data: { variables: { [VARIABLE]: one.value, PORT: "80" } } }) : refuse("Not Authorized");
    if (query.startsWith("mutation variableUpsert")) {
      const input = variables.input as Json;
      if (!isPlace(input) || input.name !== VARIABLE) return refuse("Not Authorized");
      if (input.skipDeploys !== true) deployments.begin(input.value);
      one.value = input.value;
      return json(200, { data: { variableUpsert: true } });
    }
    if (query.startsWith("mutation serviceInstanceRedeploy")) {
      newest = { id: deployments.begin(one.value), status: "QUEUED" };
      return json(200, { data: { serviceInstanceRedeploy: true } });
    }
    rule(query.startsWith("query deployments") && isPlace(variables.input), "{}");
    if (newest.id !== "d0") {
      const state = deployments.stateOf(newest.id);
      newest = { ...newest, status: state === "running" ? "DEPLOYING" : state === "done" ? "SUCCESS" : state };
    }
    return json(200, { data: { deployments: { edges: [{ node: newest }] } } });
  });
  return { ...peer, ...deployments, variable: () => one };
}

export const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;

/** A receiver that checks signatures as Standard Webhooks says. */
export async function beginWebhook(t: TestContext, value: string): Promise<Service & { readonly url: string }> {
  const deployments = deploymentsBy(undefined);
  const one: Json = { value };
  const peer = await beginPeer(t, (received) => {
    const { headers, body } = received;
    const [id, at, signature = ""] = [headers["webhook-id"], headers["webhook-timestamp"], String(headers["webhook-signature"])];
    const key = Buffer.from(WEBHOOK_SECRET.slice("whsec_".length), "base64");
    const expected = createHmac("sha256", key).update(`${id}.${at}.${body}`).digest();
    const given = Buffer.from(signature.replace(/^v1,/, ""), "base64");
    rule(given.length === expected.length && timingSafeEqual(given, expected), "wrong signature", 401);
    rule(Math.abs(Date.now() / 1000 - Number(at)) < 300, "too old", 401);
    const { type, data } = jsonOf(received) as { type: string; data: Json };
    rule(data.variable === VARIABLE, "unknown variable", 404);
    if (type === "cutover.read") return json(200, { value: one.value });
    if (type === "cutover.set") one.value = data.value;
    else if (type === "cutover.deploy") deployments.begin(one.value);
    else rule(false, "unknown type");
    return { status: 204 };
  });
  return { ...peer, ...deployments, variable: () => one, url: `${peer.origin}/hooks/cutover-secret-path` };
}
