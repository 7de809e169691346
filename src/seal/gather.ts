// Pipes hand over 64 KiB at a time; compressor, hash and cipher work best on more. Collects small chunks, passes large ones on.

/**
 * Collects chunks smaller than half of `sizeBytes` into chunks of at most `sizeBytes`; larger ones pass uncopied.
 * Two buffers take turns, so memory stays flat however much flows: a chunk is valid until the *second* next call
 * after the one that brought it.
 */
export async function* gather(bytes: AsyncIterable<Uint8Array>, sizeBytes: number): AsyncGenerator<Uint8Array, void> {
  let filling = Buffer.allocUnsafeSlow(sizeBytes);
  let resting = Buffer.allocUnsafeSlow(sizeBytes);
  let used = 0;
  const take = (): Uint8Array => {
    const full = filling.subarray(0, used);
    [filling, resting] = [resting, filling];
    used = 0;
    return full;
  };
  for await (const chunk of bytes) {
    const large = chunk.length * 2 >= sizeBytes;
    if (used > 0 && (large || used + chunk.length > sizeBytes)) yield take();
    if (large) {
      yield chunk;
      continue;
    }
    filling.set(chunk, used);
    used += chunk.length;
  }
  if (used > 0) yield take();
}
