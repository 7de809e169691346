// What every request to the API passes before its route: host, limits, caller, forged requests, and the access that the route takes.
import type { MiddlewareHandler, Context as Request } from "hono";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { type Access, mayDo } from "../../core/people.ts";
import type { Service } from "../service.ts";
import { addressOf, type Caller, callerOf } from "./caller.ts";
import { assertHost, assertOwnOrigin } from "./origin.ts";
import type { Rates } from "./rates.ts";

export type ApiEnv = { readonly Variables: { caller: Caller | undefined } };

const SAFE = ["GET", "HEAD", "OPTIONS"];

/** Counts the request, and finds its caller. UNAUTHENTICATED for a proof that is wrong, RATE_LIMITED, FORBIDDEN. */
export function guard(service: Service, rates: Rates): MiddlewareHandler<ApiEnv> {
  return async (request, next) => {
    const config = service.config();
    const { people } = config;
    assertHost(request, config);
    const address = addressOf(request, people) ?? "unknown";
    const caller = await identify(service, request).catch((error: unknown) => {
      // A wrong token is an attempt to sign in. A valid one is never refused because of the attempts of others.
      if (isLifeboatError(error, "UNAUTHENTICATED")) {
        rates.take(`sign-in:${address}`, people.signInsPerMinute);
        service.log.warn("a token was refused", { from: address });
      }
      throw error;
    });
    rates.take(caller?.key ?? `address:${address}`, people.requestsPerMinute);
    if (caller !== undefined && caller.way !== "token" && !SAFE.includes(request.req.method)) assertOwnOrigin(request, config);
    request.set("caller", caller);
    await next();
  };
}

const identify = (service: Service, request: Request): Promise<Caller | undefined> =>
  service.use(async ({ people }) => callerOf(request, service.config().people, people, service.clock.now()));

/** The caller of a route. UNAUTHENTICATED. */
export function callerIn(request: Request<ApiEnv>): Caller {
  const caller = request.get("caller");
  if (caller === undefined) throw new LifeboatError("UNAUTHENTICATED", "the request has no token and no session, or the session has ended");
  return caller;
}

/** The caller, who has the access. UNAUTHENTICATED, FORBIDDEN. */
export function callerWith(request: Request<ApiEnv>, access: Access): Caller {
  const caller = callerIn(request);
  if (!mayDo(caller.roles, access))
    throw new LifeboatError("FORBIDDEN", `it takes the access "${access}", which the caller's roles do not include`, {
      details: { access, roles: caller.roles },
    });
  return caller;
}
