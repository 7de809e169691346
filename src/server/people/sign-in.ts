// Sessions: sign-in with a token or at the OpenID Connect provider, who is signed in, and sign-out.
import type { Hono, Context as Request } from "hono";
import * as z from "zod/mini";
import { LifeboatError } from "../../core/errors.ts";
import { type Access, mayDo, ROLE_NAMES } from "../../core/people.ts";
import { about, instant, orNull } from "../../operations/schemas.ts";
import type { SessionRecord } from "../../repository/people.ts";
import type { Service } from "../service.ts";
import { addressOf, cookieOf, SESSION_COOKIE, sessionOfToken, validToken } from "./caller.ts";
import { type ApiEnv, callerIn } from "./guard.ts";
import { SignIns } from "./oidc.ts";
import { assertOwnOrigin } from "./origin.ts";
import type { Rates } from "./rates.ts";

export const signInRequest = z.strictObject({ token: about(z.string().check(z.maxLength(200)), "A token of the API.") });

export const sessionView = z.strictObject({
  kind: about(z.enum(["user", "person", "token", "service"]), "What the caller is."),
  name: z.string(),
  roles: z.readonly(z.array(z.enum(ROLE_NAMES))),
  access: about(z.readonly(z.array(z.enum(["look", "backup", "restore", "approve"]))), "What the roles allow."),
  way: about(z.enum(["token", "session", "proxy"]), "How the caller proved who they are."),
  endsAt: about(orNull(instant), "When the session ends at the latest. Null: not a session."),
});

const ACCESSES: readonly Access[] = ["look", "backup", "restore", "approve"];
const STRICT = "Path=/; Secure; HttpOnly; SameSite=Strict";

export function sessionRoutes(api: Hono<ApiEnv>, service: Service, rates: Rates): void {
  const signIns = new SignIns(service);
  const countSignIn = (request: Request): void => {
    const { people } = service.config();
    rates.take(`sign-in:${addressOf(request, people) ?? "unknown"}`, people.signInsPerMinute);
  };

  api.get("/session", (request) => {
    const { actor, roles, way, session } = callerIn(request);
    return request.json({
      kind: actor.kind,
      name: actor.name,
      roles,
      access: ACCESSES.filter((access) => mayDo(roles, access)),
      way,
      endsAt: session?.endsAt.toISOString() ?? null,
    } satisfies z.infer<typeof sessionView>);
  });

  api.post("/session", async (request) => {
    assertOwnOrigin(request, service.config());
    countSignIn(request);
    const parsed = signInRequest.safeParse(await request.req.json().catch(() => undefined));
    if (!parsed.success) throw new LifeboatError("USAGE", "the request must be an object with `token`");
    return service.use(async ({ people }) => {
      const token = validToken(parsed.data.token, people, service.clock.now());
      people.tokenUsed(token.id, service.clock.now(), addressOf(request, service.config().people));
      return await beginSession(request, service, sessionOfToken(token));
    });
  });

  api.delete("/session", async (request) => {
    const { session } = callerIn(request);
    if (session !== undefined) await service.use(async ({ people }) => people.endSession(session.id));
    request.header("set-cookie", `${SESSION_COOKIE}=; Max-Age=0; ${STRICT}`);
    return request.body(null, 204);
  });

  api.get("/session/oidc", async (request) => {
    countSignIn(request);
    const { url, cookie } = await signIns.begin();
    request.header("set-cookie", cookie);
    return request.redirect(url.href, 303);
  });

  api.get("/session/oidc/callback", async (request) => {
    countSignIn(request);
    const { person, cookie } = await signIns.end(request);
    const begun = await beginSession(request, service, { kind: "person", ...person });
    // The browser came from another site: a redirect would not carry the session's cookie, a page that loads the next one does.
    const headers = new Headers({ "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
    headers.set("content-security-policy", "default-src 'none'");
    for (const one of [begun.headers.get("set-cookie") ?? "", cookie]) headers.append("set-cookie", one);
    return new Response(`<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>Signed in</title>`, {
      headers,
    });
  });
}

/** A new session, never one that the browser brought: its old one ends. */
async function beginSession(
  request: Request,
  { clock, config, log, use }: Service,
  of: Pick<SessionRecord, "kind" | "name" | "tokenId" | "signedIn">,
): Promise<Response> {
  const now = clock.now();
  const endsAt = new Date(now.getTime() + config().people.sessionLifetimeMs);
  return use(async ({ people }) => {
    const brought = people.findSession(cookieOf(request, SESSION_COOKIE) ?? "");
    if (brought !== undefined) people.endSession(brought.id);
    people.forgetSessions(now);
    log.info("a session begins", { name: of.name, from: addressOf(request, config().people) });
    const { text } = people.beginSession({ ...of, createdAt: now, endsAt }, (count) => clock.randomBytes(count));
    return new Response(null, {
      status: 204,
      headers: {
        "set-cookie": `${SESSION_COOKIE}=${text}; Max-Age=${Math.floor(config().people.sessionLifetimeMs / 1000)}; ${STRICT}`,
        "cache-control": "no-store",
      },
    });
  });
}
