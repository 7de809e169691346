// Who we are to Atlas: a service account (OAuth) or an API key (digest), behind one small seam.
import { LifeboatError } from "../../../../core/errors.ts";
import type { Secret } from "../../../../core/secret.ts";

export type AtlasAuth =
  | { readonly clientId: string; readonly clientSecret: Secret }
  | { readonly publicKey: string; readonly privateKey: Secret };

/** What a request is signed over. */
export interface Signable {
  readonly method: string;
  /** Path and query, as they are sent. */
  readonly uri: string;
}

export interface Credential {
  /** As messages call it. */
  readonly name: string;
  /** The `Authorization` header; undefined: Atlas must be asked first how to sign. Throws AuthFailure. */
  header(request: Signable, signal: AbortSignal): Promise<string | undefined>;
  /** After a 401: whether another try with a new header may go better. `used`: the header of the refused try. */
  refused(response: Response, used: string | undefined): boolean;
  /** Texts that must never be printed, as they are now. */
  secrets(): readonly string[];
}

/** No header can be had: the token was refused, or the token's server is in trouble. Nothing of the request was sent. */
export class AuthFailure extends Error {
  readonly status: number | undefined;
  readonly code: string | undefined;
  readonly retryAfter: string | null;

  constructor(
    message: string,
    facts: { status?: number | undefined; code?: string | undefined; retryAfter?: string | null; cause?: unknown },
  ) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "AuthFailure";
    this.status = facts.status;
    this.code = facts.code;
    this.retryAfter = facts.retryAfter ?? null;
  }
}

/** Reads a secret. CONFIG_INVALID for one that no header can carry, or whose id none can; the message never holds them. */
export function readCredential(what: string, id: string, secret: Secret): string {
  const text = secret.read();
  if (!/^[\x21-\x7e]+$/.test(id) || !/^[\x21-\x7e]+$/.test(text)) {
    throw new LifeboatError(
      "CONFIG_INVALID",
      `the Atlas ${what} or its id is empty, or holds spaces or other characters that no header can carry`,
    );
  }
  return text;
}
