// One request to a notification service: deadline, bounded answer, no redirect, and what each status means.
import { STATUS_CODES } from "node:http";
import type { Work } from "../ports/connection.ts";
import { type Deliverer, deliver, Trouble } from "./attempts.ts";

const MOST_ANSWER_BYTES = 64 * 1024;
/** Request timeout, too early, too many requests. Further ones begin with 5. */
const BUSY: readonly number[] = [408, 425, 429];

export interface Order {
  readonly url: string;
  /** Default: POST. */
  readonly method?: "GET" | "POST" | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: string;
  /** Statuses that are as good as success, such as 404 for what was to be closed. */
  readonly accept?: readonly number[] | undefined;
  /** How much of the answer is read. Default: 64 KiB. */
  readonly mostBytes?: number | undefined;
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Makes an order of a JSON body. */
export const jsonOrder = (url: string, body: unknown, order: Omit<Order, "url" | "body"> = {}): Order => ({
  ...order,
  url,
  headers: { "content-type": "application/json", ...order.headers },
  body: JSON.stringify(body),
});

/** Reads JSON that may be anything; undefined where it is not JSON. */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Sends the order and returns the answer. A function makes the order anew for each attempt. `retryAfterMs` reads the pause that a busy
 * service asks for in its own way. Throws what `deliver` throws.
 */
export function request(
  deliverer: Deliverer,
  order: Order | (() => Order),
  work?: Work,
  retryAfterMs?: (answer: Answer) => number | undefined,
): Promise<Answer> {
  return deliver(deliverer, (signal) => requestOnce(deliverer, order, signal, retryAfterMs), work);
}

/** One attempt. Throws Trouble, and what `fetch` throws. */
export async function requestOnce(
  { clock }: Deliverer,
  order: Order | (() => Order),
  signal: AbortSignal,
  retryAfterMs?: (answer: Answer) => number | undefined,
): Promise<Answer> {
  const { url, method = "POST", headers = {}, body = null, accept = [], mostBytes } = typeof order === "function" ? order() : order;
  const response = await fetch(url, { method, headers, body, redirect: "manual", signal });
  const answer = { status: response.status, text: await boundedText(response, mostBytes) };
  if (response.ok || accept.includes(answer.status)) return answer;
  const asked = retryAfterMs?.(answer) ?? parseRetryAfter(response.headers.get("retry-after"), clock.now());
  throw troubleOf(answer, asked);
}

function troubleOf({ status, text }: Answer, retryAfterMs: number | undefined): Trouble {
  const why = text.trim() === "" ? "" : `: ${text}`;
  const answered = `answered ${status} ${STATUS_CODES[status] ?? ""}`.trim();
  const permanent = status < 500 && !BUSY.includes(status);
  return new Trouble(`${answered}${why}`, { permanent, retryAfterMs });
}

/** Reads an answer up to a limit; what follows is not read. */
async function boundedText({ body }: Response, mostBytes = MOST_ANSWER_BYTES): Promise<string> {
  if (body === null) return "";
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    sizeBytes += chunk.byteLength;
    if (sizeBytes >= mostBytes) break;
  }
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, mostBytes));
}

/** Reads seconds or an HTTP date, as milliseconds from now. */
function parseRetryAfter(header: string | null, now: Date): number | undefined {
  if (header === null) return undefined;
  if (/^\d+(\.\d+)?$/.test(header.trim())) return Number(header) * 1000;
  const at = Date.parse(header);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now.getTime());
}
