// Sign-in at an OpenID Connect provider: authorization code with PKCE, state and nonce, each used once and bound to one browser.
import type { Context as Request } from "hono";
import type { Configuration } from "openid-client";
import type { Config } from "../../config/load.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { SessionRecord } from "../../repository/people.ts";
import type { Service } from "../service.ts";
import { cookieOf } from "./caller.ts";

type Oidc = NonNullable<Config["people"]["oidc"]>;

type Person = Required<Pick<SessionRecord, "name" | "signedIn">>;

interface Pending {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly endsMs: number;
}

const COOKIE = "__Host-lifeboat-signin";
/** Lax: the browser comes back from another site. */
const ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax";
const LASTS_MS = 600_000;
/** Sign-ins that were begun and not ended. The oldest are forgotten. */
const MOST_PENDING = 1000;
const CALLBACK = "/api/session/oidc/callback";

export class SignIns {
  readonly #service: Service;
  readonly #pending = new Map<string, Pending>();
  #found: { readonly oidc: Oidc; readonly client: Promise<Configuration> } | undefined;

  constructor(service: Service) {
    this.#service = service;
  }

  /** Where the person signs in, and the cookie that only this browser has. */
  async begin(): Promise<{ readonly url: URL; readonly cookie: string }> {
    const { oidc, publicUrl } = this.#config();
    const openid = await import("openid-client");
    const client = await this.#client(oidc);
    const [id, state, nonce, verifier] = [
      openid.randomState(),
      openid.randomState(),
      openid.randomNonce(),
      openid.randomPKCECodeVerifier(),
    ];
    const url = openid.buildAuthorizationUrl(client, {
      redirect_uri: `${publicUrl}${CALLBACK}`,
      scope: oidc.scopes.join(" "),
      code_challenge: await openid.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      nonce,
    });
    this.#pending.set(id, { state, nonce, verifier, endsMs: this.#service.clock.monotonicMs() + LASTS_MS });
    for (const oldest of this.#pending.keys()) {
      if (this.#pending.size <= MOST_PENDING) break;
      this.#pending.delete(oldest);
    }
    return { url, cookie: `${COOKIE}=${id}; Max-Age=${LASTS_MS / 1000}; ${ATTRIBUTES}` };
  }

  /** The person who came back, and the cookie that ends the sign-in. SIGN_IN_FAILED. */
  async end(request: Request): Promise<{ readonly person: Person; readonly cookie: string }> {
    const { oidc, publicUrl } = this.#config();
    const id = cookieOf(request, COOKIE) ?? "";
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    if (pending === undefined || pending.endsMs < this.#service.clock.monotonicMs())
      throw new LifeboatError("SIGN_IN_FAILED", "this browser has not begun a sign-in, or it took longer than 10 minutes");
    const openid = await import("openid-client");
    const client = await this.#client(oidc);
    const back = new URL(`${publicUrl}${CALLBACK}${new URL(request.req.url).search}`);
    try {
      const tokens = await openid.authorizationCodeGrant(client, back, {
        pkceCodeVerifier: pending.verifier,
        expectedState: pending.state,
        expectedNonce: pending.nonce,
        idTokenExpected: true,
      });
      return { person: personOf(tokens.claims() ?? {}, oidc), cookie: `${COOKIE}=; Max-Age=0; ${ATTRIBUTES}` };
    } catch (cause) {
      throw failed("the provider's answer was refused", cause);
    }
  }

  #config(): { readonly oidc: Oidc; readonly publicUrl: string } {
    const { oidc, publicUrl } = this.#service.config().people;
    if (oidc !== undefined && publicUrl !== undefined) return { oidc, publicUrl };
    throw new LifeboatError("USAGE", "sign-in with OpenID Connect is not configured", { hint: "set people.oidc in the configuration" });
  }

  /** The provider is asked once; a failure is not remembered. */
  #client(oidc: Oidc): Promise<Configuration> {
    if (this.#found?.oidc !== oidc) {
      const client = discover(oidc);
      client.catch(() => {
        this.#found = undefined;
      });
      this.#found = { oidc, client };
    }
    return this.#found.client;
  }
}

async function discover({ issuer, clientId, clientSecret }: Oidc): Promise<Configuration> {
  const openid = await import("openid-client");
  // The configuration refuses plain HTTP except on this machine.
  const execute = [openid.enableNonRepudiationChecks, ...(issuer.startsWith("http:") ? [openid.allowInsecureRequests] : [])];
  try {
    return await openid.discovery(new URL(issuer), clientId, clientSecret?.read(), undefined, { execute });
  } catch (cause) {
    throw failed("the provider cannot be reached", cause);
  }
}

function failed(what: string, cause: unknown): LifeboatError {
  if (cause instanceof LifeboatError) return cause;
  const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? ` (${cause.code})` : "";
  return new LifeboatError("SIGN_IN_FAILED", `${what}${code}`, { cause });
}

/** Claims are the provider's; what is not a text is not a name or group. */
function personOf(claims: Readonly<Record<string, unknown>>, { issuer, nameClaim, groupsClaim }: Oidc): Person {
  const given = claims[groupsClaim];
  const groups = (Array.isArray(given) ? given : [given]).filter((group): group is string => typeof group === "string");
  // An address that was not verified may belong to another person.
  const isUsable = nameClaim !== "email" || claims.email_verified !== false;
  const name = [isUsable ? claims[nameClaim] : undefined, claims.sub].find((one): one is string => typeof one === "string" && one !== "");
  if (name === undefined) throw new LifeboatError("SIGN_IN_FAILED", "the provider's answer names no person");
  return { name: name.slice(0, 200), signedIn: { issuer, groups } };
}
