// An API key at Atlas: HTTP digest authentication (RFC 7616, qop "auth"), with one nonce used for many requests.
import { createHash, randomBytes } from "node:crypto";
import type { Secret } from "../../../../core/secret.ts";
import { type Credential, readCredential, type Signable } from "./auth.ts";

export interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque?: string | undefined;
  readonly algorithm: "MD5" | "SHA-256";
  readonly qop: boolean;
  readonly stale: boolean;
}

export interface Signature {
  readonly user: string;
  readonly password: string;
  readonly challenge: Challenge;
  /** How often the nonce has been used, this time included. */
  readonly count: number;
  readonly cnonce: string;
}

/** The first digest challenge that we can answer; a server may offer several, and other schemes beside them. */
export function parseChallenge(header: string | null): Challenge | undefined {
  for (const [, text = ""] of (header ?? "").matchAll(/\bDigest\s+((?:[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s,"]+)\s*,?\s*)+)/gi)) {
    const values = new Map<string, string>();
    for (const [, key = "", quoted, plain = ""] of text.matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g)) {
      values.set(key.toLowerCase(), quoted === undefined ? plain : quoted.replace(/\\(.)/g, "$1"));
    }
    const algorithm = (values.get("algorithm") ?? "MD5").toUpperCase();
    const qop = values.get("qop");
    const nonce = values.get("nonce");
    if (nonce === undefined || (algorithm !== "MD5" && algorithm !== "SHA-256")) continue;
    if (qop !== undefined && !/\bauth\b(?!-)/.test(qop)) continue;
    return {
      realm: values.get("realm") ?? "",
      nonce,
      opaque: values.get("opaque"),
      algorithm,
      qop: qop !== undefined,
      stale: values.get("stale")?.toLowerCase() === "true",
    };
  }
  return undefined;
}

/** The header's value. */
export function signDigest({ method, uri }: Signable, { user, password, challenge, count, cnonce }: Signature): string {
  const { realm, nonce, opaque, algorithm, qop } = challenge;
  const hash = (text: string): string =>
    createHash(algorithm === "MD5" ? "md5" : "sha256")
      .update(text)
      .digest("hex");
  const nc = count.toString(16).padStart(8, "0");
  const secret = hash(`${user}:${realm}:${password}`);
  const asked = hash(`${method}:${uri}`);
  const response = hash(qop ? `${secret}:${nonce}:${nc}:${cnonce}:auth:${asked}` : `${secret}:${nonce}:${asked}`);
  const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
  const parts = [
    `username=${quoted(user)}`,
    `realm=${quoted(realm)}`,
    `nonce=${quoted(nonce)}`,
    `uri=${quoted(uri)}`,
    `algorithm=${algorithm}`,
    ...(qop ? ["qop=auth", `nc=${nc}`, `cnonce=${quoted(cnonce)}`] : []),
    `response="${response}"`,
    ...(opaque === undefined ? [] : [`opaque=${quoted(opaque)}`]),
  ];
  return `Digest ${parts.join(", ")}`;
}

export function openDigest({ publicKey, privateKey }: { readonly publicKey: string; readonly privateKey: Secret }): Credential {
  let challenge: Challenge | undefined;
  let count = 0;
  return {
    name: "API key",
    async header(request) {
      const password = readCredential("API key's private key", publicKey, privateKey);
      if (challenge === undefined) return undefined;
      count++;
      const cnonce = randomBytes(16).toString("hex");
      return signDigest(request, { user: publicKey, password, challenge, count, cnonce });
    },
    refused(response, used) {
      const next = parseChallenge(response.headers.get("www-authenticate"));
      if (next === undefined) return false;
      // Refused although the nonce was new: then it is the key. An old nonce may have ended without the server calling it stale.
      const fresh = used !== undefined && !next.stale && /\bnc=00000001\b/.test(used);
      if (next.nonce !== challenge?.nonce) {
        challenge = next;
        count = 0;
      }
      return !fresh;
    },
    secrets: () => [privateKey.known() ?? ""],
  };
}
