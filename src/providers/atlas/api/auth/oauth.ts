// A service account at Atlas: a token for an hour, by the client credentials grant of OAuth 2, shared by all requests.
import type { Secret } from "../../../../core/secret.ts";
import type { Clock } from "../../../../ports/clock.ts";
import { boundedFetch, causeOf } from "../../../http/call.ts";
import { AuthFailure, type Credential, readCredential } from "./auth.ts";

export interface OAuthOptions {
  readonly clientId: string;
  readonly clientSecret: Secret;
  /** Where the token is had: `/api/oauth/token` on the host of the API. */
  readonly host: string;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly requestMs: number;
}

/** Renewed so early that no request arrives with one that has just ended. */
const EARLY_MS = 60_000;

interface Token {
  readonly value: string;
  readonly untilMs: number;
}

export function openOAuth({ clientId, clientSecret, host, clock, requestMs }: OAuthOptions): Credential {
  let token: Token | undefined;
  let asking: Promise<Token> | undefined;

  /** Not bound to the signal of the first caller: others wait for the same token. */
  async function ask(): Promise<Token> {
    const secret = readCredential("service account's client secret", clientId, clientSecret);
    const startedMs = clock.monotonicMs();
    let response: Response;
    let text: string;
    try {
      response = await boundedFetch(`${host}/api/oauth/token`, {
        method: "POST",
        headers: {
          // Id and secret as they are: Atlas does not undo the encoding that the standard asks for.
          authorization: `Basic ${Buffer.from(`${clientId}:${secret}`).toString("base64")}`,
          accept: "application/json",
          "content-type": "application/x-www-form-urlencoded",
        },
        body: "grant_type=client_credentials",
        signal: AbortSignal.timeout(requestMs),
      });
      text = await response.text();
    } catch (cause) {
      throw new AuthFailure(cause instanceof Error ? causeOf(cause) : String(cause), { cause });
    }
    const facts = factsOf(text);
    if (response.ok && facts.access_token !== undefined) {
      const lifeMs = (facts.expires_in ?? 3600) * 1000;
      return { value: facts.access_token, untilMs: startedMs + Math.max(lifeMs - EARLY_MS, lifeMs / 2) };
    }
    throw new AuthFailure(response.ok ? "the answer holds no token" : (facts.said ?? "no reason was given"), {
      // An OAuth server may answer 400 to a client that it does not know.
      status: response.status === 400 && facts.code === "invalid_client" ? 401 : response.ok ? 500 : response.status,
      code: facts.code,
      retryAfter: response.headers.get("retry-after"),
    });
  }

  return {
    name: "service account",
    async header(_, signal) {
      if (token === undefined || clock.monotonicMs() >= token.untilMs) {
        asking ??= ask().finally(() => {
          asking = undefined;
        });
        token = await obeying(asking, signal);
      }
      return `Bearer ${token.value}`;
    },
    refused(_, used) {
      if (used === `Bearer ${token?.value}`) token = undefined;
      return true; // once: the caller counts
    },
    secrets: () => [clientSecret.known() ?? "", ...(token === undefined ? [] : [token.value])],
  };
}

async function obeying<T>(wanted: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop = (): void => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([wanted, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

interface Facts {
  readonly access_token?: string | undefined;
  readonly expires_in?: number | undefined;
  readonly code?: string | undefined;
  readonly said?: string | undefined;
}

function factsOf(text: string): Facts {
  let body: Readonly<Record<string, unknown>>;
  try {
    const parsed: unknown = JSON.parse(text);
    body = typeof parsed === "object" && parsed !== null ? (parsed as typeof body) : {};
  } catch {
    body = {}; // a page of a proxy, perhaps: the status tells enough
  }
  const textOf = (...keys: string[]): string | undefined =>
    keys.map((key) => body[key]).find((value): value is string => typeof value === "string" && value !== "");
  return {
    access_token: textOf("access_token"),
    expires_in: typeof body.expires_in === "number" && body.expires_in > 0 ? body.expires_in : undefined,
    code: textOf("errorCode", "error"),
    said: textOf("error_description", "detail", "reason", "error"),
  };
}
