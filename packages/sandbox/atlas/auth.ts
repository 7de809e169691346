// Authentication: service accounts (OAuth client credentials, then a bearer token) and API keys (HTTP digest).
import type { IncomingMessage } from "node:http";
import { BlockList } from "node:net";
import { DigestGate } from "./digest.ts";
import { AtlasApiError } from "./errors.ts";
import { mintClient, mintPrivateKey, mintPublicKey, mintToken } from "./ids.ts";

const TOKEN_SECONDS = 3600;

export interface Credentials {
  readonly clientId: string;
  readonly clientSecret: string;
  readonly publicKey: string;
  readonly privateKey: string;
}

export function mintCredentials(at: Date): Credentials {
  return { ...mintClient(at), publicKey: mintPublicKey(), privateKey: mintPrivateKey() };
}

/** An answer of the token endpoints, whose errors are OAuth's and not the API's. */
export interface OAuthAnswer {
  readonly status: number;
  readonly body: object | undefined;
}

const oauthError = (status: number, error: string, description: string): OAuthAnswer => ({
  status,
  body: { error, error_description: description },
});

export class Authenticator {
  readonly credentials: Credentials;
  readonly #now: () => Date;
  readonly #tokens = new Map<string, Date>();
  readonly #digest: DigestGate;
  readonly #allowed: BlockList | undefined;

  /** `allowed`: addresses and blocks that API calls may come from; undefined: all. The token call is always allowed. */
  constructor(credentials: Credentials, now: () => Date, allowed: readonly string[] | undefined) {
    this.credentials = credentials;
    this.#now = now;
    this.#digest = new DigestGate(new Map([[credentials.publicKey, credentials.privateKey]]), () => now().getTime());
    if (allowed !== undefined) this.#allowed = blockList(allowed);
  }

  token(raw: IncomingMessage, form: URLSearchParams): OAuthAnswer {
    if (!this.#knows(raw)) return oauthError(401, "invalid_client", "The client's id or secret is not right.");
    const kind = form.get("grant_type");
    if (kind !== "client_credentials") return oauthError(400, "unsupported_grant_type", `grant_type ${kind} is not supported.`);
    const token = mintToken();
    this.#tokens.set(token, new Date(this.#now().getTime() + TOKEN_SECONDS * 1000));
    return { status: 200, body: { access_token: token, token_type: "Bearer", expires_in: TOKEN_SECONDS } };
  }

  /** Revoking an unknown token succeeds (RFC 7009). */
  revoke(raw: IncomingMessage, form: URLSearchParams): OAuthAnswer {
    if (!this.#knows(raw)) return oauthError(401, "invalid_client", "The client's id or secret is not right.");
    this.#tokens.delete(form.get("token") ?? "");
    return { status: 200, body: undefined };
  }

  /** Authenticates a request; 401 with a challenge, or 403. */
  admit(raw: IncomingMessage): void {
    const authorization = raw.headers.authorization ?? "";
    const bearer = /^Bearer\s+(.+)$/i.exec(authorization)?.[1];
    if (bearer !== undefined) {
      const until = this.#tokens.get(bearer);
      if (until === undefined || until <= this.#now()) {
        this.#tokens.delete(bearer);
        throw new AtlasApiError(401, "UNAUTHORIZED", "The access token is not known or has expired.", [], {
          "WWW-Authenticate": 'Bearer error="invalid_token"',
        });
      }
    } else {
      const verdict = /^Digest\s/i.test(authorization)
        ? this.#digest.verify(authorization, raw.method ?? "GET", raw.url ?? "/")
        : { ok: false as const, stale: false };
      if (!verdict.ok) {
        throw new AtlasApiError(401, "UNEXPECTED_ERROR", "You are not authorized for this resource.", [], {
          "WWW-Authenticate": this.#digest.challenge(verdict.stale),
        });
      }
    }
    this.#requireAllowed(raw.socket.remoteAddress ?? "");
  }

  #knows(raw: IncomingMessage): boolean {
    const basic = /^Basic\s+(.+)$/i.exec(raw.headers.authorization ?? "")?.[1] ?? "";
    return Buffer.from(basic, "base64").toString() === `${this.credentials.clientId}:${this.credentials.clientSecret}`;
  }

  #requireAllowed(remote: string): void {
    const address = remote.replace(/^::ffff:/, "");
    if (this.#allowed === undefined || this.#allowed.check(address, address.includes(":") ? "ipv6" : "ipv4")) return;
    throw new AtlasApiError(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", `IP address ${address} is not allowed to access this resource.`, [
      address,
    ]);
  }
}

function blockList(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/");
    const family = address.includes(":") ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}
