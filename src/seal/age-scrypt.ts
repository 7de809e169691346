// The passphrase stanza of age v1 (https://c2sp.org/age#scrypt-recipient-stanza), with Node's scrypt. That of the age-encryption package
// runs on the main thread for seconds and allows a gigabyte.
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from "node:crypto";
import type { Identity, Recipient } from "age-encryption";
import { LifeboatError } from "../core/errors.ts";
import { TAG_BYTES } from "./age-payload.ts";

/** The default of `age -p` too: 2^18 iterations, 256 MiB, about a second. */
export const WORK_FACTOR = 18;
/** Each step doubles the memory; 18 takes 256 MiB, 19 would exceed the limit of 400 MB. */
export const MAX_WORK_FACTOR = 18;

const LABEL = "age-encryption.org/v1/scrypt";
const SALT_BYTES = 16;
const ZERO_NONCE = Buffer.alloc(12);
const damaged = (what: string): LifeboatError => new LifeboatError("INTEGRITY", `the header of the encrypted data is damaged: ${what}`);

/** Wraps the file key with the passphrase. */
export function passphraseRecipient(passphrase: string, workFactor: number): Recipient {
  return {
    async wrapFileKey(fileKey) {
      const { Stanza } = await import("age-encryption");
      const salt = randomBytes(SALT_BYTES);
      const cipher = createCipheriv("chacha20-poly1305", await derive(passphrase, salt, workFactor), ZERO_NONCE, {
        authTagLength: TAG_BYTES,
      });
      const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
      return [new Stanza(["scrypt", salt.toString("base64").replace(/=+$/, ""), String(workFactor)], body)];
    },
  };
}

/** Unwraps the file key. Null when the passphrase or the kind of stanza does not match. */
export function passphraseIdentity(passphrase: string): Identity {
  return {
    async unwrapFileKey(stanzas) {
      const stanza = stanzas.find(({ args }) => args[0] === "scrypt");
      if (stanza === undefined) return null;
      const { salt, workFactor } = parseArguments(stanza.args);
      if (stanza.body.length !== 16 + TAG_BYTES) throw damaged("the wrapped key has the wrong length");
      const key = await derive(passphrase, salt, workFactor);
      const decipher = createDecipheriv("chacha20-poly1305", key, ZERO_NONCE, { authTagLength: TAG_BYTES });
      decipher.setAuthTag(stanza.body.subarray(16));
      const fileKey = decipher.update(stanza.body.subarray(0, 16));
      try {
        decipher.final();
      } catch {
        return null; // another passphrase
      }
      return fileKey;
    },
  };
}

function parseArguments(args: readonly string[]): { salt: Buffer; workFactor: number } {
  const [, saltText = "", factorText = ""] = args;
  const salt = Buffer.from(saltText, "base64");
  // Encoding it again rejects every spelling but the canonical one.
  const canonical = salt.length === SALT_BYTES && salt.toString("base64").replace(/=+$/, "") === saltText;
  if (args.length !== 3 || !canonical || !/^[1-9][0-9]*$/.test(factorText)) throw damaged("malformed passphrase stanza");
  const workFactor = Number(factorText);
  if (workFactor > MAX_WORK_FACTOR) {
    throw new LifeboatError(
      "FORMAT_UNKNOWN",
      `the passphrase has work factor ${factorText}, and memory allows at most ${MAX_WORK_FACTOR}`,
      {
        hint: "decrypt it with `age -d`, as docs/format.md shows",
      },
    );
  }
  return { salt, workFactor };
}

function derive(passphrase: string, salt: Uint8Array, workFactor: number): Promise<Buffer> {
  const N = 2 ** workFactor;
  const options = { N, r: 8, p: 1, maxmem: 128 * 8 * (N + 64) };
  return new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.concat([Buffer.from(LABEL), salt]), 32, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}
