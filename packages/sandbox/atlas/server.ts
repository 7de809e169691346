// From a request to its answer: authentication, faults, limits, versions, dispatch, and errors in the API's words.
import type { IncomingMessage, ServerResponse } from "node:http";
import { applyAfter } from "../faults.ts";
import type { Authenticator } from "./auth.ts";
import { fetchDownload } from "./downloads.ts";
import { runDue } from "./due-work.ts";
import type { Emulator } from "./emulator.ts";
import { AtlasApiError, refused } from "./errors.ts";
import { applyBefore, type Effect, type Seen } from "./faults.ts";
import { mediaType, requireVersionedBody, versionOf } from "./media.ts";
import { resolve } from "./router.ts";
import type { Json } from "./state.ts";

/** The API's path on its host, as at the real service. */
export const BASE = "/api/atlas/v2";
const MAX_BODY_BYTES = 1024 * 1024;
const JSON_TYPE = "application/json";

/** Runs one thing at a time: a request's work, or work that became due. */
export type Turn = <T>(act: () => Promise<T>) => Promise<T>;

interface Reply {
  readonly status: number;
  readonly body: unknown;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function serve(
  emulator: Emulator,
  authenticator: Authenticator,
  turn: Turn,
  raw: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(raw.url ?? "/", emulator.origin);
  const method = raw.method ?? "GET";
  const inside = url.pathname === BASE || url.pathname.startsWith(`${BASE}/`);
  const path = inside ? url.pathname.slice(BASE.length) : url.pathname;
  if (path.startsWith("/downloads/")) return fetchDownload(emulator, path, response);
  const seen: Seen = { method, path, query: url.search.slice(1), body: undefined, headers: raw.headers };
  emulator.faults.note(seen);
  let limits: Readonly<Record<string, string>> = {};
  let effects: readonly Effect[] = [];
  try {
    const text = await textOf(raw);
    effects = emulator.faults.take(method, path);
    if (!inside) {
      if (!(await applyBefore(effects, response))) return;
      return send(seen, response, effects, url, oauth(authenticator, raw, method, path, text, seen));
    }
    const body = jsonOf(text);
    Object.assign(seen, { body });
    if (!(await applyBefore(effects, response))) return;
    authenticator.admit(raw);
    limits = emulator.buckets.take(url.pathname);
    const { handler, params, versions } = resolve(method, path);
    const version = versionOf(raw.headers.accept, versions, url.pathname);
    if (method !== "GET" && body !== undefined) requireVersionedBody(raw.headers["content-type"]);
    const answer = await turn(async () => {
      await runDue(emulator);
      if (params.groupId !== undefined) emulator.requireGroup(params.groupId);
      const list = Array.isArray(body) ? body : undefined;
      return handler(emulator, { params, url, version, body: list === undefined ? ((body ?? {}) as Json) : {}, list });
    });
    send(seen, response, effects, url, { ...answer, body: answer.body, type: mediaType(version), headers: limits });
  } catch (error) {
    const fault = error instanceof AtlasApiError ? error : unexpected(error);
    const headers = { "X-Error-Code": fault.errorCode, ...limits, ...fault.headers };
    send(seen, response, [], url, { status: fault.status, body: fault.body(), type: JSON_TYPE, headers });
    raw.resume(); // lets the client finish what it is sending, so that it reads the answer
  }
}

const unexpected = (error: unknown): AtlasApiError =>
  new AtlasApiError(500, "UNEXPECTED_ERROR", error instanceof Error ? (error.stack ?? error.message) : String(error));

function oauth(authenticator: Authenticator, raw: IncomingMessage, method: string, path: string, text: string, seen: Seen): Reply {
  const form = new URLSearchParams(text);
  Object.assign(seen, { body: Object.fromEntries(form) });
  const act = {
    "/api/oauth/token": authenticator.token.bind(authenticator),
    "/api/oauth/revoke": authenticator.revoke.bind(authenticator),
  }[path];
  if (act === undefined || method !== "POST") throw new AtlasApiError(404, "RESOURCE_NOT_FOUND", `Cannot find resource ${path}.`, [path]);
  if (!/^application\/x-www-form-urlencoded/.test(raw.headers["content-type"] ?? ""))
    throw new AtlasApiError(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be a form.");
  return { ...act(raw, form), type: JSON_TYPE };
}

function send(seen: Seen, response: ServerResponse, effects: readonly Effect[], url: URL, reply: Reply): void {
  if (!applyAfter(effects, response)) return;
  const { body, status } = reply;
  const enveloped = url.searchParams.get("envelope") === "true" && body !== undefined ? { status, content: body } : body;
  let text = enveloped === undefined ? "" : JSON.stringify(enveloped, undefined, url.searchParams.get("pretty") === "true" ? 2 : 0);
  let type = reply.type;
  const malformed = effects.find((effect) => effect.kind === "malformed");
  if (malformed?.as === "html") {
    text = "<html><body>Bad gateway</body></html>";
    type = "text/html";
  } else if (malformed !== undefined) text = text.slice(0, Math.ceil(text.length / 2));
  seen.status = status;
  seen.answer = body === undefined ? undefined : JSON.parse(JSON.stringify(body));
  response.writeHead(status, {
    ...(text === "" ? {} : { "Content-Type": type, "Content-Length": String(Buffer.byteLength(text)) }),
    ...reply.headers,
  });
  response.end(text);
}

async function textOf(raw: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) throw new AtlasApiError(413, "PAYLOAD_TOO_LARGE", "The body is too large.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString().trim();
}

/** An object or a list; undefined where there is none. */
function jsonOf(text: string): object | undefined {
  if (text === "") return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // said below
  }
  throw refused("MALFORMED_JSON", "Received invalid JSON.");
}
