// HTTP digest authentication (RFC 7616 with MD5 and qop=auth, as the API asks for it), the server's side.
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

export const REALM = "MMS Public API";
const NONCE_MS = 5 * 60 * 1000;
const MOST_NONCES = 10_000;

export type DigestVerdict =
  | { readonly ok: true; readonly username: string }
  /** `stale`: the words were right for a nonce that is no longer valid, so the client may sign again at once. */
  | { readonly ok: false; readonly stale: boolean };

export class DigestGate {
  readonly #passwords: ReadonlyMap<string, string>;
  readonly #now: () => number;
  /** Each nonce with the highest count that was used. */
  readonly #nonces = new Map<string, { readonly bornAt: number; count: number }>();

  /** `now` in milliseconds. */
  constructor(passwords: ReadonlyMap<string, string>, now: () => number) {
    this.#passwords = passwords;
    this.#now = now;
  }

  challenge(stale: boolean): string {
    const nonce = randomBytes(16).toString("hex");
    this.#nonces.set(nonce, { bornAt: this.#now(), count: 0 });
    if (this.#nonces.size > MOST_NONCES) this.#nonces.delete(this.#nonces.keys().next().value as string);
    return `Digest realm="${REALM}", domain="", nonce="${nonce}", algorithm=MD5, qop="auth", stale=${stale}`;
  }

  /** `uri` is the request's, with its query, as sent on the request line. */
  verify(authorization: string, method: string, uri: string): DigestVerdict {
    const said = parseDigest(authorization);
    const password = this.#passwords.get(said.username ?? "");
    const complete = said.realm === REALM && said.qop === "auth" && /^[0-9a-f]{8}$/i.test(said.nc ?? "") && said.uri === uri;
    if (password === undefined || !complete || (said.algorithm ?? "MD5").toUpperCase() !== "MD5") return { ok: false, stale: false };
    const expected = digestResponse({ ...said, password, method });
    if (!same(expected, said.response ?? "")) return { ok: false, stale: false };
    const known = this.#nonces.get(said.nonce ?? "");
    const count = Number.parseInt(said.nc ?? "", 16);
    if (known === undefined || this.#now() - known.bornAt > NONCE_MS || count <= known.count) return { ok: false, stale: true };
    known.count = count;
    return { ok: true, username: said.username ?? "" };
  }
}

/** The fields of a Digest header, quoted or not. */
export function parseDigest(header: string): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const [, name = "", quoted, plain] of header.replace(/^Digest\s+/i, "").matchAll(/(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g)) {
    fields[name] = quoted?.replace(/\\(.)/g, "$1") ?? plain ?? "";
  }
  return fields;
}

const md5 = (text: string): string => createHash("md5").update(text).digest("hex");

/** The expected `response`. */
export function digestResponse(parts: Record<string, string | undefined>): string {
  const { username, realm, password, method, uri, nonce, nc, cnonce, qop } = parts;
  const who = md5(`${username}:${realm}:${password}`);
  return md5([who, nonce, nc, cnonce, qop, md5(`${method}:${uri}`)].join(":"));
}

function same(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
