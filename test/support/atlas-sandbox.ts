// The Atlas sandbox for tests, with a client of a few lines: a token, versions, and waiting for what takes time.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { type AtlasSandbox, type AtlasSandboxOptions, startAtlasSandbox } from "../../packages/sandbox/atlas/sandbox.ts";

export const VERSIONED = "application/vnd.atlas.2025-03-12+json";
/** A cluster is made in half a second, restored in a quarter of one. */
export const FAST = 1000;
/** For tests of what holds while work runs: it ends only when the test puts the clock forward. */
export const REAL_TIME = 1;

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: answers of every shape, looked at by tests
  readonly body: any;
}

export interface SandboxedAtlas extends AsyncDisposable {
  readonly sandbox: AtlasSandbox;
  /** `path` below the project: `/clusters`; or below the API when it begins with `//`: `//orgs`. */
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  /** The body of an answer that must have that status. */
  expect(status: number, method: string, path: string, body?: unknown): Promise<Answered["body"]>;
  /** The code of a refusal that must have that status. */
  refused(status: number, method: string, path: string, body?: unknown): Promise<string>;
  /** Asks again until it is so; with REAL_TIME puts the clock forward by 5 s between two requests. */
  until(path: string, so: (body: Answered["body"]) => boolean): Promise<Answered["body"]>;
  /** A client of a cluster's data; closed with the sandbox. */
  data(cluster?: string): Promise<MongoClient>;
}

export async function startAtlas(options: AtlasSandboxOptions = {}): Promise<SandboxedAtlas> {
  const sandbox = await startAtlasSandbox({ speed: FAST, noopEveryMs: 0, ...options });
  const clients: MongoClient[] = [];
  let token: { readonly at: number; readonly text: string } | undefined;
  const address = (path: string): string =>
    `${sandbox.apiHost}/api/atlas/v2${path.startsWith("//") ? path.slice(1) : `/groups/${sandbox.groupId}${path}`}`;
  const call: SandboxedAtlas["call"] = async (method, path, body, headers = {}) => {
    // a token lives an hour of the driven clock
    if (token === undefined || sandbox.now().getTime() - token.at > 3_000_000)
      token = { at: sandbox.now().getTime(), text: await tokenOf(sandbox) };
    const response = await fetch(address(path), {
      method,
      headers: {
        authorization: `Bearer ${token.text}`,
        accept: VERSIONED,
        ...(body === undefined ? {} : { "content-type": VERSIONED }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === "" ? undefined : JSON.parse(text) };
  };
  const expect: SandboxedAtlas["expect"] = async (status, method, path, body) => {
    const answer = await call(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  return {
    sandbox,
    call,
    expect,
    async refused(status, method, path, body) {
      return (await expect(status, method, path, body)).errorCode;
    },
    async until(path, so) {
      const end = Date.now() + 20_000;
      for (;;) {
        const body = await expect(200, "GET", path);
        if (so(body)) return body;
        assert.ok(Date.now() < end, `${path} did not come so far: ${JSON.stringify(body)}`);
        await (options.speed === REAL_TIME ? sandbox.advance(5_000) : sleep(10));
      }
    },
    async data(cluster = sandbox.cluster) {
      const { connectionStrings } = await expect(200, "GET", `/clusters/${cluster}`);
      const auth = { username: sandbox.user, password: sandbox.password };
      const client = new MongoClient(connectionStrings.standard, { auth, serverSelectionTimeoutMS: 800 });
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await sandbox.close();
    },
  };
}

export async function tokenOf({ apiHost, clientId, clientSecret }: AtlasSandbox): Promise<string> {
  const response = await fetch(`${apiHost}/api/oauth/token`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${clientId}:${clientSecret}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: "grant_type=client_credentials",
  });
  assert.equal(response.status, 200);
  return ((await response.json()) as { access_token: string }).access_token;
}

/** What a request for a cluster needs. */
export const clusterBody = (name: string, tier = "M10", more: object = {}): object => ({
  name,
  clusterType: "REPLICASET",
  replicationSpecs: [
    {
      regionConfigs: [
        {
          providerName: "AWS",
          regionName: "EU_CENTRAL_1",
          priority: 7,
          electableSpecs: { instanceSize: tier, nodeCount: 3 },
        },
      ],
    },
  ],
  ...more,
});

/** Waits until the machine's clock has come to the beginning of the next second, which it gives. */
export async function nextSecond(): Promise<number> {
  const second = Math.floor(Date.now() / 1000) + 1;
  while (Date.now() < second * 1000) await sleep(second * 1000 - Date.now());
  return second;
}
