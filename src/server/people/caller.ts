// Who sends a request: by a token, a session, or the header of a trusted proxy.
import { isIP } from "node:net";
import type { Context as Request } from "hono";
import type { Config } from "../../config/load.ts";
import { LifeboatError } from "../../core/errors.ts";
import type { Actor, Role } from "../../core/people.ts";
import { ROLE_NAMES } from "../../core/people.ts";
import type { People, SessionRecord, TokenRecord } from "../../repository/people.ts";

export interface Caller {
  readonly actor: Actor;
  readonly roles: readonly Role[];
  /** How it was proven. A browser adds cookies and a proxy its header by itself, so these need the defence against forged requests. */
  readonly way: "token" | "session" | "proxy";
  /** The same for every request of this caller: for limits and idempotency keys. */
  readonly key: string;
  readonly session?: SessionRecord | undefined;
}

type PeopleConfig = Config["people"];
type RoleGroups = Readonly<Record<Role, readonly string[]>>;

export const SESSION_COOKIE = "__Host-lifeboat";
/** How exact the last use of a token is. */
const LAST_USE_MS = 60_000;
const MOST_NAME = 200;

/** The address of the connection, or what a trusted proxy says is behind it. */
export function addressOf(request: Request, { proxy }: PeopleConfig): string | undefined {
  const peer = peerOf(request);
  if (peer === undefined || proxy === undefined || !proxy.addresses.includes(peer)) return peer;
  const [forwarded = ""] = (request.req.header("x-forwarded-for") ?? "").split(",").slice(-1);
  return isIP(forwarded.trim()) === 0 ? peer : forwarded.trim();
}

export function peerOf(request: Request): string | undefined {
  const env: { readonly incoming?: { readonly socket?: { readonly remoteAddress?: string | undefined } } } | undefined = request.env;
  return env?.incoming?.socket?.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, "");
}

export function cookieOf(request: Request, name: string): string | undefined {
  for (const part of (request.req.header("cookie") ?? "").split(";")) {
    const [key, value] = part.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}

/**
 * The caller. Undefined: the request proves nothing, or its session has ended. UNAUTHENTICATED: its token is wrong, expired or revoked.
 * A token has precedence over a session, and a session over the proxy's header.
 */
export function callerOf(request: Request, config: PeopleConfig, people: People, now: Date): Caller | undefined {
  const from = addressOf(request, config);
  const authorization = request.req.header("authorization");
  if (authorization !== undefined) return byToken(tokenIn(authorization, people, now), people, now, from);
  const cookie = cookieOf(request, SESSION_COOKIE);
  const session = cookie === undefined ? undefined : bySession(cookie, config, people, now, from);
  return session ?? byProxy(request, config, from);
}

function tokenIn(authorization: string, people: People, now: Date): TokenRecord {
  const [, text = ""] = /^Bearer +(\S+)$/i.exec(authorization) ?? [];
  return validToken(text, people, now);
}

/** One message for every reason: a caller learns nothing about a token that is not theirs. */
export function validToken(text: string, people: People, now: Date): TokenRecord {
  const token = people.findToken(text);
  if (token === undefined || token.revokedAt !== undefined || token.expiresAt <= now)
    throw new LifeboatError("UNAUTHENTICATED", "the token is not valid, or it has expired or was revoked");
  return token;
}

const nameOfToken = ({ person, name }: TokenRecord): string => person ?? name;

function byToken(token: TokenRecord, people: People, now: Date, from: string | undefined): Caller {
  const { id, roles, lastUsedAt, lastUsedFrom } = token;
  if (lastUsedAt === undefined || now.getTime() - lastUsedAt.getTime() >= LAST_USE_MS || lastUsedFrom !== from)
    people.tokenUsed(id, now, from);
  return {
    actor: actorOf(token.person === undefined ? "token" : "person", nameOfToken(token), from),
    roles,
    way: "token",
    key: `token:${id}`,
  };
}

export const sessionOfToken = (token: TokenRecord): Pick<SessionRecord, "kind" | "name" | "tokenId"> => ({
  kind: token.person === undefined ? "token" : "person",
  name: nameOfToken(token),
  tokenId: token.id,
});

function bySession(text: string, config: PeopleConfig, people: People, now: Date, from: string | undefined): Caller | undefined {
  const session = people.findSession(text);
  if (session === undefined) return undefined;
  const roles = rolesNow(session, config, people, now);
  if (session.endsAt <= now || idleMs(session, now) >= config.sessionIdleMs || roles === undefined) {
    people.endSession(session.id);
    return undefined;
  }
  if (idleMs(session, now) >= Math.min(LAST_USE_MS, config.sessionIdleMs / 10)) people.sessionSeen(session.id, now);
  const { kind, name, id } = session;
  return { actor: actorOf(kind, name, from), roles, way: "session", key: `session:${id}`, session };
}

/** What its token, or the present configuration, allows the session. Undefined: the token or the provider of the sign-in no longer counts. */
function rolesNow({ tokenId, signedIn }: SessionRecord, { oidc }: PeopleConfig, people: People, now: Date): readonly Role[] | undefined {
  if (signedIn !== undefined) return oidc?.issuer === signedIn.issuer ? rolesOf(signedIn.groups, oidc.roles) : undefined;
  const token = people.tokens().find(({ id }) => id === tokenId);
  return token === undefined || token.revokedAt !== undefined || token.expiresAt <= now ? undefined : token.roles;
}

const idleMs = ({ seenAt }: SessionRecord, now: Date): number => now.getTime() - seenAt.getTime();

/** Only from the addresses of the configuration, by the connection and not by what a header says. */
function byProxy(request: Request, { proxy }: PeopleConfig, from: string | undefined): Caller | undefined {
  const peer = peerOf(request);
  if (proxy?.userHeader === undefined || peer === undefined || !proxy.addresses.includes(peer)) return undefined;
  const name = request.req.header(proxy.userHeader)?.trim() ?? "";
  if (name === "" || name.length > MOST_NAME) return undefined;
  const groups = proxy.groupsHeader === undefined ? "" : (request.req.header(proxy.groupsHeader) ?? "");
  const roles = rolesOf(
    groups.split(",").map((group) => group.trim()),
    proxy.roles,
  );
  return { actor: actorOf("person", name, from), roles, way: "proxy", key: `person:${name}` };
}

/** The roles of a person in these groups. */
export function rolesOf(groups: readonly string[], mapping: RoleGroups): Role[] {
  return ROLE_NAMES.filter((role) => mapping[role].some((wanted) => wanted === "*" || groups.includes(wanted)));
}

const actorOf = (kind: Actor["kind"], name: string, from: string | undefined): Actor => ({
  kind,
  name,
  via: "api",
  ...(from !== undefined && { from }),
});
