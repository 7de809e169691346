// Ids, keys and names in the provider's form.
import { randomBytes } from "node:crypto";

/** 24 hex digits; the first eight are the instant in seconds, so that ids sort by age. */
export function mintId(at: Date): string {
  const seconds = Math.floor(at.getTime() / 1000) >>> 0;
  return seconds.toString(16).padStart(8, "0") + randomBytes(8).toString("hex");
}

export const ID = /^[a-f0-9]{24}$/;

/** A service account's: an id, and a secret whose sign must not be changed by a client that encodes it for a URL. */
export function mintClient(at: Date): { readonly clientId: string; readonly clientSecret: string } {
  return { clientId: `mdb_sa_id_${mintId(at)}`, clientSecret: `mdb_sa_sk_${randomBytes(24).toString("base64")}` };
}

export function mintPublicKey(): string {
  return [...randomBytes(8)].map((byte) => String.fromCharCode(97 + (byte % 26))).join("");
}

export const mintPrivateKey = (): string => {
  const hex = randomBytes(16).toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
};

export const mintToken = (): string => randomBytes(40).toString("base64url");
