// Pages of lists: a cursor names the last item of the page before.
import { invalid } from "./errors.ts";

/** `usual` and `most`: items of a page by default, and at most. */
export function page<T>(
  query: URLSearchParams,
  all: readonly T[],
  idOf: (item: T) => string,
  limits: { readonly usual: number; readonly most: number },
): { readonly items: readonly T[]; readonly cursor: string | undefined; readonly more: boolean } {
  const asked = query.get("limit");
  const limit = asked === null ? limits.usual : Number(asked);
  if (!Number.isInteger(limit) || limit < 1 || limit > limits.most) throw invalid(`limit must be from 1 to ${limits.most}`);
  const after = query.get("cursor");
  let start = 0;
  if (after !== null && after !== "") {
    const id = Buffer.from(after, "base64url").toString();
    start = all.findIndex((item) => idOf(item) === id) + 1;
    if (start === 0) throw invalid("cursor is not known");
  }
  const items = all.slice(start, start + limit);
  const last = items.at(-1);
  return {
    items,
    cursor: last === undefined ? undefined : Buffer.from(idOf(last)).toString("base64url"),
    more: start + items.length < all.length,
  };
}
