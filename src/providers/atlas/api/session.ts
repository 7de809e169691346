// What all the calls share: the project, and how every request is made and read.
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import { type Caller, call } from "../../http/call.ts";
import type { Credential } from "./auth/auth.ts";
import { ENDPOINTS, type EndpointName, mediaTypeOf, pathOf } from "./endpoints.ts";
import { exchange } from "./http.ts";
import { type Json, listOf, objectOf, rowsOf } from "./read.ts";
import { SERVICE, translateFailure } from "./translate.ts";

export interface Ask<R> {
  readonly endpoint: EndpointName;
  /** Completes "Atlas would not …". */
  readonly doing: string;
  /** Fills the path: `cluster`, `id`, `database`. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  read(answer: Json): R;
  /** It makes something: finds what a lost answer spoke of. */
  readonly look?: (() => Promise<R | undefined>) | undefined;
}

export interface Session {
  readonly groupId: string;
  ask<R>(ask: Ask<R>, work: Work | undefined): Promise<R>;
  /** Every page of a list. */
  list<R>(ask: Omit<Ask<R>, "look" | "body">, work: Work | undefined): Promise<R[]>;
}

const PAGE = 500;
/** More pages than any project has: an answer that always says there is more must not be followed forever. */
const MOST_PAGES = 1000;

export function openSession(host: string, groupId: string, caller: Caller & { readonly credential: Credential }): Session {
  const ask = <R>(wish: Ask<R>, work: Work | undefined): Promise<R> => {
    const endpoint = ENDPOINTS[wish.endpoint];
    const url = new URL(`${host}/api/atlas/v2/groups/${groupId}${pathOf(endpoint, wish.path ?? {})}`);
    for (const [key, value] of Object.entries(wish.query ?? {})) url.searchParams.set(key, value);
    const { doing, body, look } = wish;
    return call(
      caller,
      {
        service: SERVICE,
        send: (signal) => exchange(caller.credential, { method: endpoint.method, url, mediaType: mediaTypeOf(endpoint), body }, signal),
        read: (answer) => wish.read(objectOf(answer, "object")),
        translate: (failure) => translateFailure(failure, { doing, endpoint, credential: caller.credential.name }, caller.redact),
        look,
      },
      work,
    );
  };
  return {
    groupId,
    ask,
    async list({ read, query, ...wish }, work) {
      const all: ReturnType<typeof read>[] = [];
      for (let page = 1; page <= MOST_PAGES; page++) {
        const paging = { ...query, pageNum: String(page), itemsPerPage: String(PAGE), includeCount: "false" };
        const { found, isLast } = await ask(
          {
            ...wish,
            query: paging,
            read(answer) {
              const found = listOf(answer.results, "results").map((one) => read(objectOf(one, "row")));
              // The total is an estimate, and Atlas may give fewer rows a page than are asked for.
              const isLast = found.length === 0 || (found.length < PAGE && !rowsOf(answer.links).some(({ rel }) => rel === "next"));
              return { found, isLast };
            },
          },
          work,
        );
        all.push(...found);
        if (isLast) return all;
      }
      // A part of a list must not pass for the whole.
      throw new LifeboatError("PROVIDER_FAILED", `Atlas's answer has no end, when asked to ${wish.doing}`);
    },
  };
}
