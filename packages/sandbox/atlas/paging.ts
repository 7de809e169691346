// Pages of lists: numbered from 1, with links to the one before and the one after.
import { refused } from "./errors.ts";

const USUAL = 100;
const MOST = 500;

export interface Page {
  readonly links: readonly { readonly href: string; readonly rel: string }[];
  readonly results: readonly unknown[];
  readonly totalCount?: number;
}

/** `url` is the request's own, whole. Views are made only of what the page holds. */
export function page<T>(url: URL, all: readonly T[], view: (item: T) => unknown): Page {
  const number = whole(url, "pageNum", 1, Number.MAX_SAFE_INTEGER, 1);
  const size = whole(url, "itemsPerPage", 1, MOST, USUAL);
  const start = (number - 1) * size;
  const link = (rel: string, to: number): { href: string; rel: string } => {
    const target = new URL(url);
    target.searchParams.set("pageNum", String(to));
    target.searchParams.set("itemsPerPage", String(size));
    return { href: target.href, rel };
  };
  const links = [link("self", number)];
  if (number > 1) links.push(link("previous", number - 1));
  if (start + size < all.length) links.push(link("next", number + 1));
  return {
    links,
    results: all.slice(start, start + size).map(view),
    ...(flag(url.searchParams, "includeCount", true) ? { totalCount: all.length } : {}),
  };
}

function whole(url: URL, name: string, least: number, most: number, usual: number): number {
  const text = url.searchParams.get(name);
  if (text === null) return usual;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw refused("INVALID_QUERY_PARAMETER", `Invalid query parameter ${name} specified.`, name);
  return value;
}

export function flag(query: URLSearchParams, name: string, usual: boolean): boolean {
  const text = query.get(name);
  if (text === null) return usual;
  if (text !== "true" && text !== "false") throw refused("INVALID_QUERY_PARAMETER", `Invalid query parameter ${name} specified.`, name);
  return text === "true";
}
