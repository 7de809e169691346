// `fetch` as a provider's API needs it: what we send belongs to the configured address alone, and no answer fills the memory.

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
