// Trust in stored objects. Every client with write access to a bucket can put objects there, so only objects signed by a trusted key
// count. The writer is the private half of this machine's key; it never reaches the storage.
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject, sign, verify } from "node:crypto";
import { LifeboatError } from "../core/errors.ts";

/** Of an Ed25519 signature (RFC 8032). */
export const SIGNATURE_BYTES = 64;

/** An Ed25519 public key whose signatures count. */
export interface TrustedKey {
  /** Its SPKI form in base64, which is the body of a PUBLIC KEY PEM file on one line. */
  readonly text: string;
  readonly key: KeyObject;
}

/** The writer key of this machine. */
export interface Writer {
  readonly publicKey: TrustedKey;
  sign(bytes: Uint8Array): Uint8Array;
  /**
   * Returns a proof that only this writer can make: 26 characters (`a`–`v`, `0`–`9`) that depend on every part. It is stored with a
   * resource (as a comment, a tag, a note), and an undo acts only where it finds it, because a journal alone proves nothing.
   */
  proof(...parts: readonly string[]): string;
}

export interface Trust {
  /** The trusted keys, including the writer's. Empty: no stored object is trusted. */
  readonly keys: readonly TrustedKey[];
  /** Absent on a machine that only reads. */
  readonly writer?: Writer | undefined;
}

/** Parses a public key of the configuration. Throws KEY_INVALID. */
export function parseTrustedKey(text: string): TrustedKey {
  try {
    const key = createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    if (key.asymmetricKeyType === "ed25519") return { text: textOf(key), key };
  } catch {
    // Reported below, the same for text that is not a key and for a key of another kind.
  }
  throw new LifeboatError("KEY_INVALID", `${JSON.stringify(text.slice(0, 80))} is not a valid Ed25519 public key`, {
    hint: "run `lifeboat key show lifeboat-writer.pem` to print the public key of a writer key",
  });
}

/** Makes a writer from a PKCS #8 PEM, the format of `openssl genpkey -algorithm ed25519`. Throws KEY_INVALID without repeating the text. */
export function parseWriter(pem: string, origin: string): Writer {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch {
    throw new LifeboatError("KEY_INVALID", `${origin} does not hold a private key in PEM form`);
  }
  if (key.asymmetricKeyType !== "ed25519") throw new LifeboatError("KEY_INVALID", `the private key in ${origin} is not an Ed25519 key`);
  const publicKey = createPublicKey(key);
  const { d = "" } = key.export({ format: "jwk" });
  // A separate secret, so that no proof reveals anything about the signing key.
  const secret = Buffer.from(hkdfSync("sha256", Buffer.from(d, "base64url"), "", "lifeboat: proof of what a job made", 32));
  return {
    publicKey: { text: textOf(publicKey), key: publicKey },
    sign: (bytes) => sign(null, bytes, key),
    proof: (...parts) => base32(createHmac("sha256", secret).update(JSON.stringify(parts)).digest().subarray(0, 16)),
  };
}

/** Makes a writer key: the private half in PEM, and the public half for the configuration. */
export function generateWriter(): { readonly pem: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { pem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(), publicKey: textOf(publicKey) };
}

/** Returns the PEM file for `openssl pkeyutl -verify -pubin`. */
export const pemOf = ({ text }: TrustedKey): string => `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`;

/** Returns the trusted keys, including the writer's. */
export function trustOf(keys: readonly TrustedKey[], writer: Writer | undefined): Trust {
  const known = writer === undefined || keys.some(({ text }) => text === writer.publicKey.text);
  return { keys: known ? keys : [writer.publicKey, ...keys], writer };
}

/** Finds the trusted key that signed these bytes. Undefined: none did. */
export function signerOf({ keys }: Trust, bytes: Uint8Array, signature: Uint8Array): TrustedKey | undefined {
  if (signature.byteLength !== SIGNATURE_BYTES) return undefined;
  return keys.find(({ key }) => verify(null, bytes, key, signature));
}

/** Returns the writer. Throws KEY_MISSING, because unsigned objects could not be distinguished from forgeries later. */
export function requireWriter({ writer }: Trust): Writer {
  if (writer !== undefined) return writer;
  throw new LifeboatError("KEY_MISSING", "this machine has no writer key, and nothing unsigned is written", {
    hint: "run `lifeboat init`, which makes one and names it in the configuration, or name an existing one with repository.signing.keyFile",
  });
}

const textOf = (key: KeyObject): string => key.export({ format: "der", type: "spki" }).toString("base64");

const ALPHABET = "0123456789abcdefghijklmnopqrstuv";

/** The extended hex alphabet of RFC 4648 in lower case, without padding: safe in names, comments and tags. */
function base32(bytes: Uint8Array): string {
  let bits = 0;
  let held = 0;
  let text = "";
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    for (; bits >= 5; bits -= 5) text += ALPHABET.charAt((held >> (bits - 5)) & 31);
    held &= (1 << bits) - 1;
  }
  return bits > 0 ? text + ALPHABET.charAt((held << (5 - bits)) & 31) : text;
}
