// `fetch` as a provider's API needs it: what we send belongs to the configured address alone, and no answer fills the memory.
import { LifeboatError } from "../../core/errors.ts";

/** Ten thousand branches or snapshots take a third of it. */
export const MOST_ANSWER_BYTES = 64 * 1024 * 1024;

/**
 * Follows no redirect: it comes back as the answer that it is. An answer that is larger than any that we ask for breaks off at that
 * byte, counted after decompression; its header decides nothing.
 */
export async function boundedFetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(input, { ...init, redirect: "manual" });
  if (response.body === null) return response;
  let sizeBytes = 0;
  const bounded = response.body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        sizeBytes += chunk.byteLength;
        if (sizeBytes <= MOST_ANSWER_BYTES) controller.enqueue(chunk);
        else controller.error(new Error(`the answer is larger than ${MOST_ANSWER_BYTES} bytes`));
      },
    }),
  );
  const { status, statusText, headers } = response;
  return new Response(bounded, { status, statusText, headers });
}

/** Returns the address of an API without a slash at its end. CONFIG_INVALID for one that would send secrets over a network unencrypted. */
export function validateHost(text: string, example: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new LifeboatError("CONFIG_INVALID", `apiHost must be an address such as ${example}`);
  if (url.username !== "" || url.password !== "") throw new LifeboatError("CONFIG_INVALID", "apiHost must hold no user and no password");
  if (url.protocol === "http:" && !isLoopback(url.hostname))
    throw new LifeboatError("CONFIG_INVALID", `apiHost ${url.host} must be reached by https: secrets would travel unencrypted`);
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

export const isLoopback = (hostname: string): boolean => /^(localhost|127(\.\d+){3}|\[?::1\]?)$/.test(hostname);
