// One request to Atlas and its answer, signed; a 401 is tried once more where that can help. Nothing else is repeated here.
import { LifeboatError } from "../../../core/errors.ts";
import { boundedFetch } from "../../bounded-fetch.ts";
import { AuthFailure, type Credential } from "./auth/auth.ts";
import { causeOf } from "./auth/oauth.ts";

export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly mediaType: string;
  readonly body?: unknown;
}

/** What came back; without a status, nothing came back that can be read. */
export interface Reply {
  readonly status?: number | undefined;
  readonly body?: unknown;
  readonly retryAfter?: string | null | undefined;
  /** Why there is no answer, or none that can be read. */
  readonly trouble?: string | undefined;
  /** The credential was the trouble: the request itself was never sent. */
  readonly unsent?: boolean | undefined;
  readonly code?: string | undefined;
}

/** Throws only the signal's reason when that aborts, and SECRET_MISSING or CONFIG_INVALID of the credential. The deadline holds for the whole answer. */
export async function exchange(
  credential: Credential,
  request: Request,
  requestMs: number,
  signal: AbortSignal | undefined,
): Promise<Reply> {
  signal?.throwIfAborted();
  const deadline = AbortSignal.timeout(requestMs);
  const both = signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
  try {
    return await send(credential, request, both);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof LifeboatError) throw error;
    if (error instanceof AuthFailure) {
      return { status: error.status, code: error.code, trouble: error.message, retryAfter: error.retryAfter, unsent: true };
    }
    if (deadline.aborted) return { trouble: `no answer in ${Math.round(requestMs / 1000)} s` };
    return { trouble: error instanceof Error ? causeOf(error) : String(error) };
  }
}

async function send(credential: Credential, { method, url, mediaType, body }: Request, signal: AbortSignal): Promise<Reply> {
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

async function replyOf(response: Response): Promise<Reply> {
  const { status } = response;
  const retryAfter = response.headers.get("retry-after");
  const code = response.headers.get("x-error-code") ?? undefined;
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    if (error.name === "TimeoutError" || error.name === "AbortError") throw error;
    return { status, retryAfter, code, trouble: error.name === "TypeError" ? "the answer broke off" : error.message };
  }
  if (text.trim() === "") return { status, retryAfter, code, body: {} };
  try {
    return { status, retryAfter, code, body: JSON.parse(text) as unknown };
  } catch {
    return { status, retryAfter, code, trouble: "the answer cannot be read" };
  }
}
