// Options of `people`: how people and programs prove to the service who they are.
import { listOf, Mismatch, section } from "../../core/option.ts";
import { duration, integer, text, written } from "../../core/option-types.ts";

/** An origin: scheme and host, without a path. Plain HTTP only on this machine. */
const origin = written("address", { pattern: "^https?://[^/]+/?$" }, (raw) => {
  const url = URL.canParse(raw) ? new URL(raw) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "" || url.username !== "")
    throw new Mismatch("must be an address such as https://lifeboat.example.com, without a path");
  if (url.protocol === "http:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname))
    throw new Mismatch("must begin with https:// (http:// only for this machine)");
  return url.origin;
});

const issuer = written("address", { pattern: "^https?://" }, (raw) => {
  const url = URL.canParse(raw) ? new URL(raw) : undefined;
  if (url === undefined || (url.protocol !== "https:" && !(url.protocol === "http:" && ["localhost", "127.0.0.1"].includes(url.hostname))))
    throw new Mismatch("must be an address that begins with https://");
  return raw;
});

const header = written("header name", { pattern: "^[A-Za-z0-9-]+$" }, (raw) => {
  if (!/^[A-Za-z0-9-]+$/.test(raw)) throw new Mismatch("must be the name of a header");
  return raw.toLowerCase();
});

const groups = (access: string, example: string) =>
  ({ type: listOf(text), default: [], help: `Groups whose members ${access}; \`"*"\`: everyone who signs in.`, example }) as const;

const roles = section({
  viewer: groups("may look", '["*"]'),
  operator: groups("may also back up", "[dev]"),
  restorer: groups("may also restore", "[database]"),
  approver: groups("may look and approve", "[leads]"),
});

const oidc = section({
  issuer: { type: issuer, required: true, help: "Issuer of the OpenID Connect provider.", example: "https://login.example.com" },
  clientId: { type: text, required: true, help: "Id of this client at the provider.", example: "lifeboat" },
  clientSecret: { type: text, secret: true, help: "Secret of this client. Absent: a public client.", example: "${OIDC_SECRET}" },
  scopes: { type: listOf(text), default: ["openid", "profile", "email"], help: "Scopes to ask for." },
  nameClaim: { type: text, default: "email", help: "Claim with the person's name; `sub` where a token has none." },
  groupsClaim: { type: text, default: "groups", help: "Claim with the person's groups." },
  roles: { type: roles, default: {}, help: "Which groups have which role. Without any, a person who signs in may do nothing." },
});

const proxy = section(
  {
    addresses: {
      type: listOf(text),
      required: true,
      help: "IP addresses of the proxy. Of these alone, `X-Forwarded-For` is believed.",
      example: "[127.0.0.1]",
    },
    userHeader: {
      type: header,
      help: "Header with the person that the proxy has signed in. Absent: the proxy signs no one in.",
      example: "X-Forwarded-User",
    },
    groupsHeader: { type: header, help: "Header with the person's groups, between commas.", example: "X-Forwarded-Groups" },
    roles: { type: roles, default: {}, help: "Which groups have which role." },
  },
  ({ userHeader, groupsHeader }) =>
    groupsHeader !== undefined && userHeader === undefined ? "`groupsHeader` needs `userHeader`" : undefined,
);

export const people = section(
  {
    publicUrl: {
      type: origin,
      help: "Address that browsers and programs use, where a proxy ends TLS in front of the service. Required to listen at an address that other machines reach.",
      example: "https://lifeboat.example.com",
    },
    sessionIdle: { type: duration, as: "sessionIdleMs", default: "30m", help: "A session without a request for so long has ended." },
    sessionLifetime: { type: duration, as: "sessionLifetimeMs", default: "12h", help: "How long a session lasts at most." },
    requestsPerMinute: { type: integer(1), default: 600, help: "Requests that one token, session or address may send in a minute." },
    signInsPerMinute: {
      type: integer(1),
      default: 10,
      help: "Attempts to sign in that one address may make in a minute; wrong tokens count.",
    },
    oidc: { type: oidc, help: "Sign-in with OpenID Connect." },
    proxy: { type: proxy, help: "The proxy in front of the service." },
  },
  ({ oidc: withOidc, publicUrl }) =>
    withOidc !== undefined && publicUrl === undefined ? "`oidc` needs `publicUrl`, to which the provider sends people back" : undefined,
);
