// Which names the service answers to, and where a browser's request may come from.
import { isIP } from "node:net";
import type { Context as Request } from "hono";
import type { Config } from "../../config/load.ts";
import { LifeboatError } from "../../core/errors.ts";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]", "::1"];

export const isLoopback = (host: string): boolean => LOOPBACK.includes(host) || /^127\.\d+\.\d+\.\d+$/.test(host);

/**
 * Refuses to listen where other machines connect without TLS in front: tokens would travel readable. USAGE. `people.publicUrl` says that
 * a proxy ends TLS.
 */
export function assertMayListen(host: string, { publicUrl }: Config["people"]): void {
  if (isLoopback(host) || publicUrl?.startsWith("https://")) return;
  throw new LifeboatError("USAGE", `the service cannot listen at ${host}: other machines would send tokens without TLS`, {
    hint: "put a proxy with TLS in front and name its address with people.publicUrl, or listen at 127.0.0.1",
  });
}

/**
 * Refuses a request for another name. A page of an attacker, whose name resolves to this machine, is of the same origin to a browser
 * (DNS rebinding). FORBIDDEN.
 */
export function assertHost(request: Request, config: Config): void {
  const given = request.req.header("host") ?? "";
  const hostname = URL.canParse(`http://${given}`) ? new URL(`http://${given}`).hostname : "";
  const ours = config.people.publicUrl === undefined ? [] : [new URL(config.people.publicUrl).hostname];
  if (isLoopback(hostname) || ours.includes(hostname) || isOwnAddress(hostname, config)) return;
  throw new LifeboatError("FORBIDDEN", "the request names a host that is not this service", {
    hint: "use the address in people.publicUrl, or 127.0.0.1",
  });
}

/** An attacker's page has a name. An IP address as the host is this machine. */
const isOwnAddress = (hostname: string, { server }: Config): boolean =>
  !isLoopback(server.host) && isIP(hostname.replace(/^\[|\]$/g, "")) > 0;

export const REQUEST_HEADER = "x-lifeboat";

/**
 * Refuses a request that a page of another origin could have made with the cookie of a person, or with the proxy's header. A browser
 * sends Origin with every change, and no form can set the other header. FORBIDDEN.
 */
export function assertOwnOrigin(request: Request, { people: { publicUrl } }: Config): void {
  const { req } = request;
  const site = req.header("sec-fetch-site");
  const origin = req.header("origin");
  const isOurs = origin !== undefined && [publicUrl, originOfHost(request)].includes(origin);
  if (isOurs && req.header(REQUEST_HEADER) !== undefined && (site === undefined || site === "same-origin")) return;
  throw new LifeboatError("FORBIDDEN", "a session can change something only from the dashboard of this service", {
    hint: "send Origin and X-Lifeboat with a session, or use a token",
  });
}

/** Of a browser on this machine, without a proxy. */
function originOfHost({ req }: Request): string | undefined {
  const given = req.header("host") ?? "";
  return URL.canParse(`http://${given}`) && isLoopback(new URL(`http://${given}`).hostname) ? `http://${given}` : "";
}
