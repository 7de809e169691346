// The header of an age v1 file. The age-encryption package writes and parses the stanzas but never exposes the file key, so a recipient
// and an identity of Lifeboat's take part to obtain it.
import type { Identity, Stanza } from "age-encryption";
import { LifeboatError } from "../core/errors.ts";
import { NONCE_BYTES, TAG_BYTES } from "./age-payload.ts";
import { passphraseIdentity, passphraseRecipient, WORK_FACTOR } from "./age-scrypt.ts";
import type { OpenKey, SealKey } from "./keys.ts";
import { validateRecipient } from "./keys.ts";

const VERSION_LINE = Buffer.from("age-encryption.org/v1\n");
/** A recipient takes about 100 bytes, a post-quantum one 1.6 KB. */
const LONGEST_HEADER_BYTES = 256 * 1024;

/** Makes a file key and the header that wraps it for every recipient. Throws KEY_INVALID. */
export async function makeHeader(key: SealKey, workFactor = WORK_FACTOR): Promise<{ fileKey: Uint8Array; header: Uint8Array }> {
  const { Encrypter } = await import("age-encryption");
  const encrypter = new Encrypter();
  if ("passphrase" in key) {
    if (key.passphrase === "") throw new LifeboatError("KEY_INVALID", "the passphrase is empty");
    encrypter.addRecipient(passphraseRecipient(key.passphrase, workFactor));
  } else {
    if (key.recipients.length === 0) throw new LifeboatError("KEY_INVALID", "no recipient was given, so the backup could not be opened");
    for (const recipient of key.recipients) encrypter.addRecipient(await validateRecipient(recipient));
  }
  let fileKey: Uint8Array | undefined;
  encrypter.addRecipient({
    wrapFileKey(passing) {
      fileKey = passing;
      return []; // no stanza, so the header does not show it
    },
  });
  const empty = await encrypter.encrypt(new Uint8Array(0));
  if (fileKey === undefined) throw new LifeboatError("BUG", "the age-encryption package did not ask every recipient");
  // An empty file is a header, a nonce and the tag of its one empty chunk; the payload gets a nonce of its own.
  return { fileKey, header: empty.subarray(0, empty.length - NONCE_BYTES - TAG_BYTES) };
}

/** Unwraps the file key of a header. Throws WRONG_KEY when no stanza is for this key, INTEGRITY when the header is damaged. */
export async function openHeader(header: Uint8Array, key: OpenKey): Promise<Uint8Array> {
  const { Decrypter } = await import("age-encryption");
  const decrypter = new Decrypter();
  decrypter.addIdentity(scryptStandsAlone);
  if ("passphrase" in key) decrypter.addIdentity(passphraseIdentity(key.passphrase));
  else for (const identity of key.identities) addIdentity(decrypter, identity);
  decrypter.addIdentity({
    // Identities are tried in order until one succeeds. This one is last, so none did.
    unwrapFileKey(stanzas: Stanza[]) {
      throw noMatch(stanzas, key);
    },
  });
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    if (error instanceof LifeboatError) throw error;
    throw damagedHeader((error as Error).message, error);
  }
}

const scryptStandsAlone: Identity = {
  unwrapFileKey(stanzas) {
    if (stanzas.length > 1 && stanzas.some(({ args }) => args[0] === "scrypt")) throw damagedHeader("a passphrase stanza is not alone");
    return null;
  },
};

function addIdentity(decrypter: { addIdentity(identity: string): void }, identity: string): void {
  try {
    decrypter.addIdentity(identity);
  } catch {
    // No cause: the decoder's own message may repeat the identity.
    throw new LifeboatError("KEY_INVALID", "an age identity is malformed; it starts with AGE-SECRET-KEY-1 and its checksum must fit");
  }
}

function noMatch(stanzas: readonly Stanza[], key: OpenKey): LifeboatError {
  const byPassphrase = stanzas.some(({ args }) => args[0] === "scrypt");
  if ("passphrase" in key) {
    return new LifeboatError(
      "WRONG_KEY",
      byPassphrase ? "the passphrase is not the one it was sealed with" : "it was sealed to recipients, not with a passphrase",
    );
  }
  const count = key.identities.length;
  const given = count === 1 ? "the identity given is" : `none of the ${count} identities given is`;
  const message = byPassphrase
    ? "it was sealed with a passphrase, and an identity was given"
    : `${given} ${count === 1 ? "not " : ""}of a recipient it was sealed to (there are ${stanzas.length})`;
  return new LifeboatError("WRONG_KEY", message);
}

/** The beginning of an age file. */
export interface Opening {
  readonly header: Uint8Array;
  readonly nonce: Uint8Array;
  /** The bytes read past the nonce, which begin the payload. */
  readonly excess: Uint8Array;
}

/** Reads the header and the nonce. Throws INTEGRITY when the header is not complete. */
export async function readOpening(bytes: AsyncIterator<Uint8Array>): Promise<Opening> {
  let seen: Buffer = Buffer.alloc(0);
  for (;;) {
    const versionSeen = seen.subarray(0, VERSION_LINE.length);
    if (!versionSeen.equals(VERSION_LINE.subarray(0, versionSeen.length))) throw damagedHeader("it is not an age v1 file");
    const end = headerEnd(seen);
    if (end !== undefined && seen.length >= end + NONCE_BYTES) {
      const [header, nonce, excess] = [seen.subarray(0, end), seen.subarray(end, end + NONCE_BYTES), seen.subarray(end + NONCE_BYTES)];
      return { header, nonce, excess };
    }
    if (end === undefined && seen.length > LONGEST_HEADER_BYTES)
      throw damagedHeader(`it does not end within ${LONGEST_HEADER_BYTES} bytes`);
    const next = await bytes.next();
    if (next.done === true)
      throw damagedHeader(seen.length === 0 ? "there are no bytes at all" : `the data ends inside it, at byte ${seen.length}`);
    seen = Buffer.concat([seen, next.value]);
  }
}

/** The header ends with the first line that starts with three dashes. */
function headerEnd(seen: Buffer): number | undefined {
  const lastLine = seen.indexOf("\n---", VERSION_LINE.length - 1);
  const lineEnd = lastLine < 0 ? -1 : seen.indexOf("\n", lastLine + 1);
  return lineEnd < 0 ? undefined : lineEnd + 1;
}

function damagedHeader(what: string, cause?: unknown): LifeboatError {
  return new LifeboatError("INTEGRITY", `the header of the encrypted data is damaged: ${what}`, { cause, details: { where: "header" } });
}
