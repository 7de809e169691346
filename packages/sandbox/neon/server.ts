// From a request to its answer: key, faults, dispatch, and errors in the API's words.
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { applyAfter } from "../faults.ts";
import type { Emulator, Json } from "./emulator.ts";
import { invalid, NeonApiError } from "./errors.ts";
import { applyBefore, type FaultList, type Seen } from "./faults.ts";
import { resolve } from "./router.ts";
import type { ApiKey } from "./state.ts";

/** The API's path on its host, as at the real service. */
export const BASE = "/api/v2";
const MAX_BODY_BYTES = 1024 * 1024;

export async function serve(emulator: Emulator, faults: FaultList, raw: IncomingMessage, response: ServerResponse): Promise<void> {
  const requestId = String(raw.headers["x-request-id"] ?? randomUUID());
  const { pathname, searchParams, search } = new URL(raw.url ?? "/", "http://sandbox");
  const method = raw.method ?? "GET";
  const path = pathname.startsWith(BASE) ? pathname.slice(BASE.length) : pathname;
  const seen: Seen = { method, path, query: search.slice(1), body: undefined, headers: raw.headers };
  faults.note(seen);
  const send = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
    const text = body === undefined ? "" : JSON.stringify(body);
    seen.status = status;
    seen.answer = text === "" ? undefined : JSON.parse(text);
    response.writeHead(status, {
      "x-request-id": requestId,
      ...(text === "" ? {} : { "content-type": "application/json", "content-length": String(Buffer.byteLength(text)) }),
      ...headers,
    });
    response.end(text);
  };
  try {
    const body = await bodyOf(raw);
    Object.assign(seen, { body });
    const effects = faults.take(method, path);
    if (!(await applyBefore(effects, response))) return;
    const key = keyOf(emulator, raw);
    const { handler, params } = resolve(method, path);
    const stuck = effects.some((effect) => effect.kind === "stuck") ? faults.stick() : undefined;
    const answer = await handler(emulator, { params, query: searchParams, body: body ?? {}, key, stuck });
    if (applyAfter(effects, response)) send(answer.status, answer.body);
  } catch (error) {
    const fault = error instanceof NeonApiError ? error : new NeonApiError(500, "", error instanceof Error ? error.message : String(error));
    send(fault.status, { request_id: requestId, code: fault.code, message: fault.message }, fault.headers);
    raw.resume(); // lets the client finish what it is sending, so that it reads the answer
  }
}

function keyOf(emulator: Emulator, raw: IncomingMessage): ApiKey {
  const [, secret = ""] = /^Bearer (.+)$/i.exec(raw.headers.authorization ?? "") ?? [];
  const key = emulator.store.keys.get(secret);
  if (key === undefined) throw new NeonApiError(401, "", "supplied credentials do not pass authentication");
  key.lastUsedAt = emulator.time.now();
  return key;
}

/** A JSON object, or undefined where there is none. A form's content type with nothing in it is what one client sends. */
async function bodyOf(raw: IncomingMessage): Promise<Json | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of raw as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES) throw new NeonApiError(413, "", "request body is too large");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString().trim();
  if (text === "") return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid("request body is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid("request body must be a JSON object");
  return value as Json;
}
