// What all the calls share: the project, and how every request is made and read.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import { boundedFetch, type Caller, call, type Failure, type Reply } from "../../http/call.ts";
import { AuthFailure, type Credential } from "./auth/auth.ts";
import { ENDPOINTS, type EndpointName, mediaTypeOf, pathOf } from "./endpoints.ts";
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
  const ask = <R>(spec: Ask<R>, work: Work | undefined): Promise<R> => {
    const endpoint = ENDPOINTS[spec.endpoint];
    const url = new URL(`${host}/api/atlas/v2/groups/${groupId}${pathOf(endpoint, spec.path ?? {})}`);
    for (const [key, value] of Object.entries(spec.query ?? {})) url.searchParams.set(key, value);
    const { doing, body, look } = spec;
    return call(
      caller,
      {
        service: SERVICE,
        send: (signal) => exchange(caller.credential, { method: endpoint.method, url, mediaType: mediaTypeOf(endpoint), body }, signal),
        read: (answer) => spec.read(objectOf(answer, "object")),
        translate: (failure) => translateFailure(failure, { doing, endpoint, credential: caller.credential.name }, caller.redact),
        look,
      },
      work,
    );
  };
  return {
    groupId,
    ask,
    async list({ read, query, ...spec }, work) {
      const all: ReturnType<typeof read>[] = [];
      for (let page = 1; page <= MOST_PAGES; page++) {
        const paging = { ...query, pageNum: String(page), itemsPerPage: String(PAGE), includeCount: "false" };
        const { found, isLast } = await ask(
          {
            ...spec,
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
      throw new LifeboatError("PROVIDER_FAILED", `Atlas's answer has no end, when asked to ${spec.doing}`);
    },
  };
}

export interface Request {
  readonly method: string;
  readonly url: URL;
  readonly mediaType: string;
  readonly body?: unknown;
}

/** Throws where there is no answer. */
export async function exchange(credential: Credential, request: Request, signal: AbortSignal): Promise<Reply<unknown>> {
  try {
    return await send(credential, request, signal);
  } catch (error) {
    if (!(error instanceof AuthFailure)) throw error;
    const { status, code, message, retryAfter } = error;
    return { status, retryAfter, trouble: { code, message, unsent: true } };
  }
}

async function send(credential: Credential, { method, url, mediaType, body }: Request, signal: AbortSignal): Promise<Reply<unknown>> {
  let refusals = 0;
  for (let asked = false; ; ) {
    const authorization = await credential.header({ method, uri: `${url.pathname}${url.search}` }, signal);
    const response = await boundedFetch(url, {
      method,
      headers: {
        accept: mediaType,
        ...(body === undefined ? {} : { "content-type": mediaType }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal,
    });
    if (response.status === 401 && credential.refused(response, authorization)) {
      const again = authorization === undefined ? !asked : refusals++ === 0;
      asked = true;
      if (again) {
        await response.text(); // to its end, so that the socket can be used again
        continue;
      }
    }
    return await replyOf(response);
  }
}

async function replyOf(response: Response): Promise<Reply<unknown>> {
  const { status } = response;
  const retryAfter = response.headers.get("retry-after");
  const headerCode = response.headers.get("x-error-code") ?? undefined;
  const failed = (trouble: Omit<Failure, "status">): Reply<unknown> => ({ status, retryAfter, trouble: { code: headerCode, ...trouble } });
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    if (!(error instanceof Error) || error.name === "TimeoutError" || error.name === "AbortError") throw error;
    return failed({ message: error.name === "TypeError" ? "the answer broke off" : error.message });
  }
  let body: unknown = {};
  try {
    if (text.trim() !== "") body = JSON.parse(text);
  } catch {
    return failed({ message: "the answer cannot be read" });
  }
  if (status >= 200 && status < 300) return { status, retryAfter, body };
  const facts: Readonly<Record<string, unknown>> = isRecord(body) ? body : {};
  const first = (...values: unknown[]): string | undefined => values.find((one): one is string => typeof one === "string" && one !== "");
  return failed({
    code: first(facts.errorCode, headerCode),
    message: first(facts.detail, facts.reason) ?? "no reason was given",
    fields: fieldsOf(facts.badRequestDetail),
  });
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null;

const fieldsOf = (detail: unknown): string[] =>
  isRecord(detail) && Array.isArray(detail.fields)
    ? detail.fields.filter(isRecord).map(({ field, description }) => `${String(field)}: ${String(description)}`)
    : [];

/** Undefined where the resource itself does not exist. A missing project is an error, and so is a 404 of a proxy. */
export async function orGone<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (
      isLifeboatError(error, "PROVIDER_NOT_FOUND") &&
      hasCode(error, /_NOT_FOUND$|_GONE$|^NOT_FOUND$|DOES_NOT_EXIST/, /^(GROUP|PROJECT)/)
    ) {
      return undefined;
    }
    throw error;
  }
}

/** Whether Atlas named the failure with a code like this. */
export function hasCode(error: unknown, like: RegExp, unlike?: RegExp): boolean {
  if (!isLifeboatError(error)) return false;
  const { errorCode } = error.details;
  return typeof errorCode === "string" && like.test(errorCode) && !(unlike?.test(errorCode) ?? false);
}
