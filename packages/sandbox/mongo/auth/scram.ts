// The server's side of SCRAM (RFC 5802; RFC 7677 for SHA-256): two messages each way, and the password is never sent.
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";

export type ScramHash = "sha1" | "sha256";

/** What a server keeps instead of a password. */
export interface ScramKeys {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

/** The client's message is not SCRAM, or its proof is wrong. The message is for the server's own log: a client learns nothing of it. */
export class ScramRefusal extends Error {}

/** `password` as the mechanism takes it: prepared, or digested. */
export function deriveKeys(hash: ScramHash, password: string, salt: Buffer, iterations: number): ScramKeys {
  const salted = pbkdf2Sync(password, salt, iterations, hash === "sha1" ? 20 : 32, hash);
  const storedKey = createHash(hash)
    .update(hmac(hash, salted, "Client Key"))
    .digest();
  return { salt, iterations, storedKey, serverKey: hmac(hash, salted, "Server Key") };
}

export interface ScramExchange {
  readonly user: string;
  /** The server's first message. */
  readonly first: string;
  /** Takes the client's final message and gives the server's; throws ScramRefusal where the proof is wrong. */
  finish(clientFinal: string): string;
}

/** Begins with the client's first message. `keysOf` knows the users; `serverNonce` is printable, without commas, and never the same again. */
export function beginScram(
  hash: ScramHash,
  clientFirst: string,
  keysOf: (user: string) => ScramKeys | undefined,
  serverNonce: string,
): ScramExchange {
  const message = /^(?<header>[ny],(?:a=[^,]*)?,)(?<bare>n=(?<user>[^,]*),r=(?<nonce>[^,]+)(?:,.*)?)$/su.exec(clientFirst)?.groups;
  if (message === undefined) throw new ScramRefusal("the first message is not SCRAM's");
  const { header = "", bare = "", user: escaped = "", nonce = "" } = message;
  const user = escaped.replaceAll("=2C", ",").replaceAll("=3D", "=");
  const keys = keysOf(user);
  if (keys === undefined) throw new ScramRefusal(`there is no user ${user}`);
  const first = `r=${nonce}${serverNonce},s=${keys.salt.toString("base64")},i=${keys.iterations}`;
  return {
    user,
    first,
    finish(clientFinal) {
      const final = /^(?<unproven>c=(?<binding>[^,]+),r=(?<nonce>[^,]+)(?:,.*)?),p=(?<proof>[^,]+)$/su.exec(clientFinal)?.groups;
      if (final === undefined) throw new ScramRefusal("the final message is not SCRAM's");
      if (final.binding !== Buffer.from(header).toString("base64")) throw new ScramRefusal("the channel binding is another than at first");
      if (final.nonce !== nonce + serverNonce) throw new ScramRefusal("the nonce is not the one given");
      const said = `${bare},${first},${final.unproven}`;
      const signature = hmac(hash, keys.storedKey, said);
      const proof = Buffer.from(final.proof ?? "", "base64");
      if (proof.length !== signature.length) throw new ScramRefusal("the proof has a wrong length");
      const clientKey = Buffer.from(proof.map((byte, i) => byte ^ (signature[i] ?? 0)));
      if (!timingSafeEqual(createHash(hash).update(clientKey).digest(), keys.storedKey)) throw new ScramRefusal("the proof is wrong");
      return `v=${hmac(hash, keys.serverKey, said).toString("base64")}`;
    },
  };
}

function hmac(hash: ScramHash, key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest();
}
