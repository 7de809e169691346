// Services for incidents, as their interfaces judge a request and keep what it opened.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { TestContext } from "node:test";
import { beginPeer, jsonOf, type Peer, type Received, rule } from "./peer.ts";

type Json = Record<string, unknown>;
const isText = (value: unknown): value is string => typeof value === "string";
const isInstant = (value: unknown): boolean =>
  isText(value) && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) && !Number.isNaN(Date.parse(value));

export const ROUTING_KEY = "R0UTINGKEY0123456789abcdefABCDEF".slice(0, 32);

export interface PagerDuty extends Peer {
  /** Open incidents by key. */
  readonly open: Map<string, Json>;
  readonly actions: string[];
}

export async function beginPagerDuty(t: TestContext): Promise<PagerDuty> {
  const open = new Map<string, Json>();
  const actions: string[] = [];
  const peer = await beginPeer(t, (received) => {
    const invalid = (what: string): string =>
      JSON.stringify({ status: "invalid event", message: "Event object is invalid", errors: [what] });
    rule(received.method === "POST" && received.url.pathname === "/v2/enqueue", "not found", 404);
    rule(Buffer.byteLength(received.body) <= 512 * 1024, invalid("too large"), 413);
    const { routing_key: key, event_action: action, dedup_key: dedup, payload, links = [] } = jsonOf(received);
    rule(key === ROUTING_KEY, invalid("Invalid routing key"));
    rule(["trigger", "acknowledge", "resolve"].includes(String(action)), invalid("event_action"));
    rule(isText(dedup) && dedup.length <= 255 && dedup !== "", invalid("dedup_key"));
    actions.push(`${String(action)} ${dedup}`);
    if (action === "trigger") {
      const { summary, source, severity, timestamp } = payload as Json;
      rule(isText(summary) && summary !== "" && summary.length <= 1024, invalid("summary"));
      rule(isText(source) && source !== "", invalid("source"));
      rule(["critical", "error", "warning", "info"].includes(String(severity)) && isInstant(timestamp), invalid("severity or timestamp"));
      rule(Array.isArray(links) && links.every(({ href }) => URL.canParse(href)), invalid("links"));
      open.set(dedup, payload as Json);
    } else open.delete(dedup);
    return { status: 202, body: JSON.stringify({ status: "success", message: "Event processed", dedup_key: dedup }) };
  });
  return { ...peer, open, actions };
}

export interface BetterStack extends Peer {
  readonly token: string;
  readonly heartbeat: string;
  readonly incidents: { id: string; attributes: Json }[];
  /** `ok` or `fail`, in order. */
  readonly beats: string[];
}

export async function beginBetterStack(t: TestContext): Promise<BetterStack> {
  const token = "better-token-0123456789";
  const beat = "/api/v1/heartbeat/HeArTbEaT0123456789";
  const incidents: BetterStack["incidents"] = [];
  const beats: string[] = [];
  const peer = await beginPeer(t, (received) => {
    const { pathname, searchParams } = received.url;
    if (pathname === beat || pathname === `${beat}/fail`) {
      beats.push(pathname === beat ? "ok" : "fail");
      return { status: 200, body: "OK" };
    }
    rule(received.headers.authorization === `Bearer ${token}`, JSON.stringify({ errors: "Invalid Team API token" }), 401);
    if (received.method === "GET" && pathname === "/api/v3/incidents") {
      const size = Number(searchParams.get("per_page") ?? 10);
      rule(size >= 1 && size <= 50, JSON.stringify({ errors: "per_page" }), 422);
      const start = (Number(searchParams.get("page") ?? 1) - 1) * size;
      const listed = incidents.filter(({ attributes }) => searchParams.get("resolved") !== "false" || attributes.resolved_at === null);
      return { status: 200, body: JSON.stringify({ data: listed.slice(start, start + size), pagination: {} }) };
    }
    if (received.method === "POST" && pathname === "/api/v3/incidents") return { status: 201, body: created(incidents, received) };
    const id = /^\/api\/v3\/incidents\/(\d+)\/resolve$/.exec(pathname)?.[1];
    const incident = incidents.find((one) => one.id === id);
    rule(received.method === "POST" && incident !== undefined, JSON.stringify({ errors: "Resource not found" }), 404);
    rule(isText(jsonOf(received).resolved_by), JSON.stringify({ errors: "resolved_by" }), 422);
    rule(incident.attributes.resolved_at === null, JSON.stringify({ errors: "Cannot resolve a resolved incident." }), 409);
    incident.attributes.resolved_at = "2026-11-28T03:00:00.000Z";
    return { status: 200, body: JSON.stringify({ data: incident }) };
  });
  return { ...peer, token, heartbeat: `${peer.origin}${beat}`, incidents, beats };
}

function created(incidents: BetterStack["incidents"], received: Received): string {
  const body = jsonOf(received);
  const { requester_email: requester, name, summary, description } = body;
  rule(isText(requester) && requester.includes("@"), JSON.stringify({ errors: "requester_email" }), 422);
  rule(isText(summary) && summary !== "" && summary.length <= 1000, JSON.stringify({ errors: "summary" }), 422);
  rule(isText(name) && name.length <= 255 && isText(description), JSON.stringify({ errors: "name" }), 422);
  const incident = { id: String(1000 + incidents.length), attributes: { ...body, cause: summary, resolved_at: null } };
  incidents.push(incident);
  return JSON.stringify({ data: { ...incident, type: "incident" } });
}

export interface Sentry extends Peer {
  readonly dsn: string;
  /** By id; a second copy is dropped. */
  readonly events: Map<string, Json>;
  readonly checkIns: Json[];
}

export async function beginSentry(t: TestContext): Promise<Sentry> {
  const key = "0123456789abcdef0123456789abcdef";
  const events = new Map<string, Json>();
  const checkIns: Json[] = [];
  const peer = await beginPeer(t, (received) => {
    const { pathname } = received.url;
    if (pathname === `/api/42/cron/lifeboat/${key}/`) {
      const checkIn = jsonOf(received);
      rule(["in_progress", "ok", "error"].includes(String(checkIn.status)), '{"status":["not a valid choice"]}');
      checkIns.push(checkIn);
      return { status: 202 };
    }
    rule(pathname === "/api/42/envelope/", "project_id", 404);
    rule(new RegExp(`sentry_key=${key}\\b`).test(String(received.headers["x-sentry-auth"])), "bad sentry DSN public key", 403);
    rule(received.headers["content-type"] === "application/x-sentry-envelope", "content type", 415);
    const event = eventIn(received.body);
    events.set(String(event.event_id), event);
    return { status: 200, body: JSON.stringify({ id: event.event_id }) };
  });
  return { ...peer, dsn: `${peer.origin.replace("//", `//${key}@`)}/42`, events, checkIns };
}

function eventIn(envelope: string): Json {
  const bytes = Buffer.from(envelope);
  const first = bytes.indexOf("\n");
  const second = bytes.indexOf("\n", first + 1);
  const header = JSON.parse(bytes.subarray(0, first).toString()) as Json;
  const item = JSON.parse(bytes.subarray(first + 1, second).toString()) as { type: string; length: number };
  rule(item.type === "event" && bytes.length >= second + 1 + item.length, "invalid envelope: length");
  rule(["", "\n"].includes(bytes.subarray(second + 1 + item.length).toString()), "invalid envelope: what follows is not an item");
  const event = JSON.parse(bytes.subarray(second + 1, second + 1 + item.length).toString()) as Json;
  rule(/^[0-9a-f]{32}$/.test(String(event.event_id)) && header.event_id === event.event_id, "event_id");
  rule(isInstant(event.timestamp) && ["fatal", "error", "warning", "info", "debug"].includes(String(event.level)), "timestamp or level");
  for (const [name, value] of Object.entries(event.tags as Json))
    rule(/^[a-zA-Z0-9_.:-]{1,32}$/.test(name) && isText(value) && value.length <= 200 && !value.includes("\n"), `tag ${name}`);
  rule(String((event.message as Json).formatted).length <= 8192, "message");
  rule(Array.isArray(event.fingerprint), "fingerprint");
  return event;
}

export interface Healthchecks extends Peer {
  readonly url: string;
  readonly pings: string[];
}

export async function beginHealthchecks(t: TestContext): Promise<Healthchecks> {
  const uuid = "5f3c6b1e-1111-4222-8333-944455556666";
  const pings: string[] = [];
  const peer = await beginPeer(t, ({ url, body }) => {
    const [, code, what = "success", ...more] = url.pathname.split("/");
    rule(code === uuid && more.length === 0, "not found", 404);
    rule(["success", "fail", "start", "log"].includes(what), "invalid url format");
    rule(Buffer.byteLength(body) <= 10_000, "the body would be cut");
    pings.push(what);
    return { status: 200, body: "OK", headers: { "ping-body-limit": "10000" } };
  });
  return { ...peer, url: `${peer.origin}/${uuid}`, pings };
}

export const WEBHOOK_SECRET = `whsec_${Buffer.from("0123456789abcdef0123456789abcdef").toString("base64")}`;
const SKEW_SECONDS = 300;

export interface Webhook extends Peer {
  readonly url: string;
  /** By id: a repetition is recognised. */
  readonly deliveries: Map<string, Json>;
}

/** A receiver as Standard Webhooks 1.0.0 describes one. */
export async function beginWebhook(t: TestContext, secret = WEBHOOK_SECRET): Promise<Webhook> {
  const deliveries = new Map<string, Json>();
  const peer = await beginPeer(t, (received) => {
    const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signatures } = received.headers;
    rule(isText(id) && isText(at) && isText(signatures), "headers are missing", 400);
    rule(!id.includes("."), "the id has a dot");
    rule(Math.abs(Date.now() / 1000 - Number(at)) <= SKEW_SECONDS, "the timestamp is too far off");
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const expected = createHmac("sha256", key).update(`${id}.${at}.${received.body}`).digest();
    const signed = signatures.split(" ").some((signature) => {
      const [version, base64 = ""] = signature.split(",");
      const given = Buffer.from(base64, "base64");
      return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
    });
    rule(signed, "no signature matches", 401);
    rule(Buffer.byteLength(received.body) < 20_000, "the body is too large", 413);
    const { type, timestamp, data } = jsonOf(received);
    rule(isText(type) && /^[a-z]+(\.[a-z]+)*$/.test(type) && isInstant(timestamp) && typeof data === "object", "not an event");
    deliveries.set(id, { type, timestamp, data });
    return { status: 204 };
  });
  return { ...peer, url: `${peer.origin}/hooks/lifeboat?token=querytoken0123`, deliveries };
}
