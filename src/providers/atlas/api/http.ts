// One request to Atlas and its answer, signed; a 401 is tried once more where that can help. Nothing else is repeated here.
import type { Failure, Reply } from "../../http/call.ts";
import { boundedFetch } from "../../http/fetch.ts";
import { AuthFailure, type Credential } from "./auth/auth.ts";

export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly mediaType: string;
  readonly body?: unknown;
}

/** Throws where there is no answer. */
export async function exchange(credential: Credential, request: Request, signal: AbortSignal): Promise<Reply<unknown>> {
  try {
    return await send(credential, request, signal);
  } catch (error) {
    if (!(error instanceof AuthFailure)) throw error;
    const { status, code, message, retryAfter } = error;
    return { status, retryAfter, trouble: { code, message, unsent: true } };
  }
}

async function send(credential: Credential, { method, url, mediaType, body }: Request, signal: AbortSignal): Promise<Reply<unknown>> {
  let refusals = 0;
  for (let asked = false; ; ) {
    const authorization = await credential.header({ method, uri: `${url.pathname}${url.search}` }, signal);
    const response = await boundedFetch(url, {
      method,
      headers: {
        accept: mediaType,
        ...(body === undefined ? {} : { "content-type": mediaType }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    if (response.status === 401 && credential.refused(response, authorization)) {
      const again = authorization === undefined ? !asked : refusals++ === 0;
      asked = true;
      if (again) {
        await response.text(); // to its end, so that the socket can be used again
        continue;
      }
    }
    return await replyOf(response);
  }
}

async function replyOf(response: Response): Promise<Reply<unknown>> {
  const { status } = response;
  const retryAfter = response.headers.get("retry-after");
  const headerCode = response.headers.get("x-error-code") ?? undefined;
  const failed = (trouble: Omit<Failure, "status">): Reply<unknown> => ({ status, retryAfter, trouble: { code: headerCode, ...trouble } });
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    if (!(error instanceof Error) || error.name === "TimeoutError" || error.name === "AbortError") throw error;
    return failed({ message: error.name === "TypeError" ? "the answer broke off" : error.message });
  }
  let body: unknown = {};
  try {
    if (text.trim() !== "") body = JSON.parse(text);
  } catch {
    return failed({ message: "the answer cannot be read" });
  }
  if (status >= 200 && status < 300) return { status, retryAfter, body };
  const facts: Readonly<Record<string, unknown>> = isRecord(body) ? body : {};
  const first = (...values: unknown[]): string | undefined => values.find((one): one is string => typeof one === "string" && one !== "");
  return failed({
    code: first(facts.errorCode, headerCode),
    message: first(facts.detail, facts.reason) ?? "no reason was given",
    fields: fieldsOf(facts.badRequestDetail),
  });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;

const fieldsOf = (detail: unknown): string[] =>
  isRecord(detail) && Array.isArray(detail.fields)
    ? detail.fields.filter(isRecord).map(({ field, description }) => `${String(field)}: ${String(description)}`)
    : [];
