// Who may have written what lies in the storage. Anybody who can write to a bucket can put anything there: what counts is what one
// of the trusted keys has signed. The private half of this machine's own key is the writer; it never reaches the storage.
import { createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject, sign, verify } from "node:crypto";
import { LifeboatError } from "../core/errors.ts";

/** Of an Ed25519 signature (RFC 8032). */
export const SIGNATURE_BYTES = 64;

/** An Ed25519 public key whose signatures count. */
export interface TrustedKey {
  /** Base64 of its SPKI form: what stands between BEGIN and END PUBLIC KEY in a PEM file, on one line. */
  readonly text: string;
  readonly key: KeyObject;
}

/** What this machine signs with. */
export interface Writer {
  readonly publicKey: TrustedKey;
  sign(bytes: Uint8Array): Uint8Array;
  /**
   * What only this writer can have put in a place: 26 characters (`a`–`v`, `0`–`9`) that depend on every part. It goes where a
   * resource is made (a comment, a tag, a note), and an undo acts only where it finds it: a journal alone proves nothing.
   */
  proof(...parts: readonly string[]): string;
}

export interface Trust {
  /** The writer's own key is among them. Empty: nothing that is stored can be believed. */
  readonly keys: readonly TrustedKey[];
  /** Absent on a machine that only reads. */
  readonly writer?: Writer | undefined;
}

/** A public key as the configuration has it. KEY_INVALID. */
export function parseTrustedKey(text: string): TrustedKey {
  try {
    const key = createPublicKey({ key: Buffer.from(text, "base64"), format: "der", type: "spki" });
    if (key.asymmetricKeyType === "ed25519") return { text: textOf(key), key };
  } catch {
    // Said below, the same for text that is not a key and for a key of another kind.
  }
  throw new LifeboatError("KEY_INVALID", `${JSON.stringify(text.slice(0, 80))} is not a valid Ed25519 public key`, {
    hint: "run `lifeboat key show lifeboat-writer.pem` to print the public key of a writer key",
  });
}

/** The writer of a private key in PKCS #8 PEM, the form that `openssl genpkey -algorithm ed25519` writes. KEY_INVALID; the text is never repeated. */
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
  // A secret of its own, so that no proof says anything about the signing key.
  const secret = Buffer.from(hkdfSync("sha256", Buffer.from(d, "base64url"), "", "lifeboat: proof of what a job made", 32));
  return {
    publicKey: { text: textOf(publicKey), key: publicKey },
    sign: (bytes) => sign(null, bytes, key),
    proof: (...parts) => base32(createHmac("sha256", secret).update(JSON.stringify(parts)).digest().subarray(0, 16)),
  };
}

/** A new writer key: the private half in PEM, and the public one as the configuration takes it. */
export function generateWriter(): { readonly pem: string; readonly publicKey: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return { pem: privateKey.export({ format: "pem", type: "pkcs8" }).toString(), publicKey: textOf(publicKey) };
}

/** The PEM file that `openssl pkeyutl -verify -pubin` takes. */
export const pemOf = ({ text }: TrustedKey): string => `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`;

/** The trusted keys, the writer's own among them. */
export function trustOf(keys: readonly TrustedKey[], writer: Writer | undefined): Trust {
  const known = writer === undefined || keys.some(({ text }) => text === writer.publicKey.text);
  return { keys: known ? keys : [writer.publicKey, ...keys], writer };
}

/** The trusted key that signed these bytes; undefined: none did. */
export function signerOf({ keys }: Trust, bytes: Uint8Array, signature: Uint8Array): TrustedKey | undefined {
  if (signature.byteLength !== SIGNATURE_BYTES) return undefined;
  return keys.find(({ key }) => verify(null, bytes, key, signature));
}

/** The writer, or KEY_MISSING: nothing is written that could not be told from a forgery later. */
export function requireWriter({ writer }: Trust): Writer {
  if (writer !== undefined) return writer;
  throw new LifeboatError("KEY_MISSING", "this machine has no writer key, and nothing unsigned is written", {
    hint: "run `lifeboat init`, which makes one and names it in the configuration, or name an existing one with repository.signing.keyFile",
  });
}

const textOf = (key: KeyObject): string => key.export({ format: "der", type: "spki" }).toString("base64");

const ALPHABET = "0123456789abcdefghijklmnopqrstuv";

/** RFC 4648's extended hex alphabet in lower case, without padding: safe in names, comments and tags. */
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
