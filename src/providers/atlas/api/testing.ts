// For tests only: a small server that answers as Atlas might, and a client in a hurry in front of it.
import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { Secret } from "../../../core/secret.ts";
import type { Clock } from "../../../ports/clock.ts";
import { TIMEOUTS, type Timeouts } from "../options.ts";
import type { AtlasAuth } from "./auth/auth.ts";
import { type AtlasApi, openAtlasApi } from "./client.ts";

export const GROUP = "0123456789abcdef01234567";
export const ACCOUNT = { clientId: "mdb_sa_id_1", clientSecret: "mdb_sa_sk_%&/=secret" };
/** As the client takes it. */
export const ACCOUNT_AUTH = { clientId: ACCOUNT.clientId, clientSecret: Secret.of(ACCOUNT.clientSecret) };
export const KEY = { publicKey: "abcdefgh", privateKey: "11111111-2222-3333-4444-555555555555" };
export const KEY_AUTH = { publicKey: KEY.publicKey, privateKey: Secret.of(KEY.privateKey) };
export const HASTE: Timeouts = {
  ...TIMEOUTS,
  requestMs: 2_000,
  busyMs: 500,
  outageMs: 500,
  retryMs: 5,
  pollMs: 10,
  connectMs: 0,
  loginMs: 3_000,
  lagMs: 0,
};

export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** What to answer: a status with a body, `drop` to break the connection, or `stall` to say nothing. */
export type Answer =
  | { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | "drop"
  | "stall";

export interface Service {
  readonly host: string;
  readonly seen: Seen[];
}

/** Requests for tokens are answered by itself, unless `handle` answers them. */
export async function serve(t: TestContext, handle: (request: Seen) => Answer | undefined): Promise<Service> {
  const seen: Seen[] = [];
  let tokens = 0;
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const asked = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
    seen.push(asked);
    const answer = handle(asked) ?? (asked.url === "/api/oauth/token" ? token(++tokens) : failure(404, "RESOURCE_NOT_FOUND"));
    send(answer, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { host: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

export const token = (number: number, seconds = 3600): Answer => ({
  status: 200,
  body: { access_token: `token-${number}`, expires_in: seconds, token_type: "Bearer" },
});

export const failure = (status: number, errorCode: string, detail = "because", headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  body: { error: status, errorCode, reason: "Reason", detail, parameters: [] },
  headers,
});

function send(answer: Answer, response: ServerResponse): void {
  if (answer === "stall") return;
  if (answer === "drop") {
    response.socket?.destroy();
    return;
  }
  const { status, body, headers } = answer;
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body));
}

export const realClock: Clock = { now: () => new Date(), monotonicMs: () => performance.now(), randomBytes };

interface Overrides {
  readonly auth?: AtlasAuth;
  readonly timeouts?: Partial<Timeouts>;
  readonly clock?: Partial<Clock>;
}

export function clientOf({ host }: Service, { auth = ACCOUNT_AUTH, timeouts, clock }: Overrides = {}): AtlasApi {
  return openAtlasApi({
    groupId: GROUP,
    auth,
    apiHost: host,
    timeouts: { ...HASTE, ...timeouts },
    clock: { ...realClock, ...clock },
  });
}

/** A dedicated cluster as the API shows it. */
export const clusterBody = (name: string, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> => ({
  id: "aaaaaaaaaaaaaaaaaaaaaaaa",
  name,
  clusterType: "REPLICASET",
  stateName: "IDLE",
  createDate: "2026-11-01T00:00:00Z",
  backupEnabled: true,
  pitEnabled: true,
  paused: false,
  terminationProtectionEnabled: false,
  encryptionAtRestProvider: "NONE",
  mongoDBVersion: "8.0.16",
  mongoDBMajorVersion: "8.0",
  advancedConfiguration: { minimumEnabledTlsProtocol: "TLS1_2" },
  connectionStrings: { standard: "mongodb://a.example.net:27017,b.example.net:27017/?ssl=true&authSource=admin&replicaSet=atlas-x" },
  replicationSpecs: [
    {
      id: "bbbbbbbbbbbbbbbbbbbbbbbb",
      regionConfigs: [
        {
          providerName: "AWS",
          regionName: "EU_CENTRAL_1",
          priority: 7,
          electableSpecs: { instanceSize: "M30", nodeCount: 3, diskSizeGB: 40 },
        },
      ],
    },
  ],
  tags: null,
  ...more,
});
