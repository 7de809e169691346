// The last words of a child: a bounded tail of its standard error, with secrets taken out.
import { StringDecoder } from "node:string_decoder";

export interface Tail {
  write(chunk: Uint8Array): void;
  /** The tail so far, trimmed; when something was cut off, it starts at the beginning of a line. */
  text(): string;
}

/** Keeps the last `limit` characters. Each of `secrets` is replaced wherever it appears, even across chunks. */
export function openTail(limit: number, secrets: readonly string[]): Tail {
  const decoder = new StringDecoder("utf8");
  const hidden = secrets.filter((secret) => secret !== "").sort((a, b) => b.length - a.length);
  // Room for a secret that the cut would otherwise halve, and so hide from the replacement.
  const room = limit + 2 * Math.max(0, ...hidden.map((secret) => secret.length));
  let kept = "";
  let cut = false;
  return {
    write(chunk) {
      kept += decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      if (kept.length > 2 * room) {
        kept = kept.slice(-room);
        cut = true;
      }
    },
    text() {
      let text = kept;
      for (const secret of hidden) text = text.replaceAll(secret, "•••");
      const long = text.length > limit;
      if (long) text = text.slice(-limit);
      if ((cut || long) && text.includes("\n")) text = text.slice(text.indexOf("\n") + 1);
      return text.trim();
    },
  };
}
