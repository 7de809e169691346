// A notification service on loopback: it judges each request as the real service does, and fails on demand.
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { Secret } from "../../../src/core/secret.ts";
import type { Alert, NotifierWiring, Timeouts } from "../../../src/ports/notifier.ts";
import { systemClock } from "../../../src/system-clock.ts";

export interface Received {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Reply {
  readonly status: number;
  readonly body?: string | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Thrown by a judge: the request breaks a rule of the service, which refuses it. */
export class Refused extends Error {
  readonly status: number;
  constructor(message: string, status = 400) {
    super(message);
    this.status = status;
  }
}

export interface Peer {
  readonly origin: string;
  readonly received: Received[];
  /** What the next requests meet, in order, before the judge sees one again. */
  readonly faults: (Reply | "hang" | "drop" | "endless")[];
}

/** Begins the service; it ends with the test. */
export async function beginPeer(t: TestContext, judge: (received: Received) => Reply): Promise<Peer> {
  const received: Received[] = [];
  const faults: Peer["faults"] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url ?? "/", "http://peer");
    const one = { method: request.method ?? "", url, headers: request.headers, body: Buffer.concat(chunks).toString("utf8") };
    received.push(one);
    const fault = faults.shift();
    if (fault === "hang") return;
    if (fault === "drop") return void request.socket.destroy();
    if (fault === "endless") {
      response.writeHead(200);
      const write = (): void => void (response.writable && response.write(Buffer.alloc(16_384, "x"), () => setImmediate(write)));
      return write();
    }
    const { status, body = "", headers = {} } = fault ?? judged(judge, one);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received, faults };
}

function judged(judge: (received: Received) => Reply, received: Received): Reply {
  try {
    return judge(received);
  } catch (error) {
    if (error instanceof Refused) return { status: error.status, body: error.message };
    return { status: 500, body: String(error) };
  }
}

/** Fails the request unless the rule holds. */
export function rule(holds: boolean, message: string, status?: number): asserts holds {
  if (!holds) throw new Refused(message, status);
}

export function jsonOf({ headers, body }: Received): Record<string, unknown> {
  rule(/^application\/json\b/.test(headers["content-type"] ?? ""), "content type is not JSON", 415);
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    throw new Refused("invalid_payload");
  }
}

/** Every object within the value. */
export function objectsIn(value: unknown): Record<string, unknown>[] {
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  if (typeof value !== "object" || value === null) return [];
  return [value as Record<string, unknown>, ...Object.values(value).flatMap(objectsIn)];
}

/** Short, so that tests of failures are. */
export const QUICK: Timeouts = { requestMs: 250, totalMs: 2000, pauseMs: 1, attempts: 3 };

/** As compose wires a channel; the secrets are values. */
export const wiringOf = <O>(options: O, timeouts: Timeouts | undefined = QUICK): NotifierWiring<O> => ({
  name: "team",
  options,
  clock: systemClock,
  timeouts,
});

export const secret = (text: string): Secret => Secret.of(text);

export function alertOf(given: Partial<Alert> = {}): Alert {
  return {
    identity: "BACKUP_OVERDUE/shop",
    event: "opened",
    severity: "critical",
    source: "shop",
    code: "BACKUP_OVERDUE",
    title: "Backup overdue",
    message: "The last good backup is 26 h old; at most 25 h are promised.",
    since: new Date("2026-11-28T01:00:00.000Z"),
    at: new Date("2026-11-28T02:00:00.000Z"),
    next: "lifeboat backup shop",
    link: "https://lifeboat.example.com/alerts/1?a=b",
    ...given,
  };
}

/** Names and messages that no service may read as markup, as a mention, or as a header. */
export const HOSTILE = `<!channel> <@U1> @everyone @here <at>All</at> **b** [x](https://evil.example) <img src=x onerror="a()"> \`c\`\r\nBcc: eve@evil.example\u202e & end`;

export const hostileAlert = (given: Partial<Alert> = {}): Alert =>
  alertOf({
    identity: `X/${HOSTILE}`,
    source: `shop${HOSTILE}`,
    title: HOSTILE,
    message: HOSTILE,
    code: HOSTILE,
    next: `lifeboat show ${HOSTILE}`,
    link: 'https://lifeboat.example.com/"><script>|x>y',
    ...given,
  });

/** Longer than any service allows, with characters of two UTF-16 units. */
export const hugeAlert = (given: Partial<Alert> = {}): Alert => {
  const long = "😀<&*".repeat(20_000);
  return alertOf({ identity: long, source: long, title: long, message: long, code: long, next: long, ...given });
};
