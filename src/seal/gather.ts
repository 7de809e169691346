// Collects small chunks and passes large ones on. Pipes deliver 64 KiB at a time; compressor, digest and cipher are faster with more.

/**
 * Collects chunks smaller than half of `sizeBytes` into chunks of at most `sizeBytes`. Larger ones pass uncopied. Two buffers alternate,
 * so that memory stays constant: a chunk is valid until the *second* `next` call after the one that yielded it.
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
