// An OpenID Connect provider on loopback: discovery, keys, authorization with PKCE, signed ID tokens. It checks what a real one checks,
// and can be told to lie.
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, randomUUID, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

interface Grant {
  readonly nonce: string;
  readonly challenge: string;
  readonly redirectUri: string;
}

interface Lies {
  /** Signed by a key that the provider does not publish. */
  foreignKey?: boolean;
  nonce?: string;
  audience?: string;
  expired?: boolean;
}

export interface OidcProvider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Claims of the person who signs in. */
  person: Readonly<Record<string, unknown>>;
  lies: Lies;
  /** What a browser does at the address: the person signs in, and is sent back. */
  signIn(address: string): URL;
}

const newKey = () => generateKeyPairSync("rsa", { modulusLength: 2048 });
const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export async function beginOidcProvider(t: TestContext): Promise<OidcProvider> {
  const key = newKey();
  const foreign = newKey();
  const grants = new Map<string, Grant>();
  const clientId = "lifeboat";
  const clientSecret = randomUUID();
  const server = createServer(async (request, response) => {
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    switch (new URL(request.url ?? "/", provider.issuer).pathname) {
      case "/.well-known/openid-configuration":
        return answer(200, {
          issuer: provider.issuer,
          authorization_endpoint: `${provider.issuer}/authorize`,
          token_endpoint: `${provider.issuer}/token`,
          jwks_uri: `${provider.issuer}/keys`,
          response_types_supported: ["code"],
          subject_types_supported: ["public"],
          id_token_signing_alg_values_supported: ["RS256"],
          code_challenge_methods_supported: ["S256"],
        });
      case "/keys":
        return answer(200, { keys: [{ ...key.publicKey.export({ format: "jwk" }), kid: "k1", alg: "RS256", use: "sig" }] });
      case "/token": {
        let text = "";
        for await (const chunk of request) text += String(chunk);
        const form = new URLSearchParams(text);
        const grant = grants.get(form.get("code") ?? "");
        grants.delete(form.get("code") ?? "");
        const verifier = createHash("sha256")
          .update(form.get("code_verifier") ?? "")
          .digest("base64url");
        const isClient = form.get("client_id") === clientId && form.get("client_secret") === clientSecret;
        if (!isClient) return answer(401, { error: "invalid_client" });
        if (grant === undefined || grant.challenge !== verifier || grant.redirectUri !== form.get("redirect_uri"))
          return answer(400, { error: "invalid_grant" });
        return answer(200, { access_token: randomUUID(), token_type: "Bearer", expires_in: 60, id_token: idToken(grant) });
      }
      default:
        return answer(404, {});
    }
  });
  const idToken = ({ nonce }: Grant): string => {
    const { lies, person, issuer } = provider;
    const now = Math.floor(Date.now() / 1000) - (lies.expired ? 7200 : 0);
    const claims = { iss: issuer, aud: lies.audience ?? clientId, iat: now, exp: now + 600, nonce: lies.nonce ?? nonce, ...person };
    const body = `${base64({ alg: "RS256", kid: "k1", typ: "JWT" })}.${base64(claims)}`;
    return `${body}.${sign("sha256", Buffer.from(body), (lies.foreignKey ? foreign : key).privateKey).toString("base64url")}`;
  };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const provider: OidcProvider = {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clientId,
    clientSecret,
    person: { sub: "s-1", email: "alice@example.com", groups: ["dba"] },
    lies: {},
    signIn(address) {
      const { searchParams: asked, pathname } = new URL(address);
      const of = (name: string): string => asked.get(name) ?? assert.fail(`the request has no ${name}`);
      assert.deepEqual(
        [pathname, of("client_id"), of("response_type"), of("code_challenge_method")],
        ["/authorize", clientId, "code", "S256"],
      );
      const code = randomUUID();
      grants.set(code, { nonce: of("nonce"), challenge: of("code_challenge"), redirectUri: of("redirect_uri") });
      const back = new URL(of("redirect_uri"));
      back.search = new URLSearchParams({ code, state: of("state") }).toString();
      return back;
    },
  };
  return provider;
}
