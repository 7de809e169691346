// The official client, loaded when a source at Neon is first asked for: other commands do not pay for it.

import { LifeboatError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import { boundedFetch } from "../../http/call.ts";

export const DEFAULT_HOST = "https://console.neon.tech/api/v2";

/** Its typed function for each endpoint, and the client that they take. Its own retries are off: `call` decides. SECRET_MISSING, CONFIG_INVALID. */
export async function loadSdk(secret: Secret, baseUrl: string) {
  const apiKey = secret.read();
  // A header takes no such characters; the client would name the key in its complaint.
  if (!/^[\x21-\x7e]+$/.test(apiKey))
    throw new LifeboatError("CONFIG_INVALID", "the Neon API key is empty, or holds spaces or other characters that no header can carry");
  const [{ createNeonClient }, raw] = await Promise.all([import("@neon/sdk"), import("@neon/sdk/raw")]);
  return { client: createNeonClient({ apiKey, baseUrl, retries: 0, fetch: boundedFetch }).client, raw };
}

export type Sdk = Awaited<ReturnType<typeof loadSdk>>;
