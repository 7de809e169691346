// The real `mongosh` against a sandbox, kept from everything else: a proxy that only counts gets what is not for the sandbox, and
// its home is a folder that is deleted with the test.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { need } from "./require.ts";

const PROGRAM = join(import.meta.dirname, "../peers/clients/node_modules/mongosh/bin/mongosh.js");
const HUNG_MS = 120_000;

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Mongosh extends AsyncDisposable {
  /** Value of the last of some statements, as relaxed extended JSON. Fails where the shell does. */
  // biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
  value(url: string, script: string): Promise<any>;
  /** Everything typed line by line into a session, and what it shows. */
  session(url: string, lines: readonly string[]): Promise<Ended>;
  /** Runs it with arguments of one's own. */
  run(args: readonly string[], input?: string): Promise<Ended>;
  /** Hosts that were asked for besides the sandbox. */
  readonly strangers: readonly string[];
}

/** Tells whether the test can run; otherwise it is skipped by name. */
export const needMongosh = (t: Pick<TestContext, "skip">): boolean =>
  need(t, "mongosh (npm ci --prefix test/peers/clients)", existsSync(PROGRAM));

export async function openMongosh(): Promise<Mongosh> {
  const home = mkdtempSync(join(tmpdir(), "lifeboat-mongosh-"));
  mkdirSync(join(home, ".mongodb", "mongosh"), { recursive: true });
  const quiet = { enableTelemetry: false, disableGreetingMessage: true, disableLogging: true, updateURL: "", snippetIndexSourceURLs: "" };
  writeFileSync(join(home, ".mongodb", "mongosh", "config"), JSON.stringify(quiet));
  const strangers: string[] = [];
  const proxy = createServer((request, response) => {
    strangers.push(request.url ?? "");
    response.writeHead(403).end();
  });
  proxy.on("connect", (request, socket) => {
    strangers.push(request.url ?? "");
    socket.end("HTTP/1.1 403 Forbidden\r\n\r\n");
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const elsewhere = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const env = {
    PATH: process.env.PATH,
    HOME: home,
    HTTP_PROXY: elsewhere,
    HTTPS_PROXY: elsewhere,
    ALL_PROXY: elsewhere,
    NO_PROXY: "127.0.0.1",
    NO_COLOR: "1",
    TZ: "UTC",
  };
  const run: Mongosh["run"] = async (args, input = "") => {
    const child = spawn(process.execPath, [PROGRAM, "--norc", "--quiet", ...args], { env, cwd: home, timeout: HUNG_MS });
    const [out, err]: string[][] = [[], []];
    child.stdout.setEncoding("utf8").on("data", (text: string) => out?.push(text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => err?.push(text));
    child.stdin.on("error", () => {}); // it ended before it read everything: its status tells
    child.stdin.end(input);
    const status = await new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
    return { status, stdout: out?.join("") ?? "", stderr: err?.join("") ?? "" };
  };
  return {
    strangers,
    run,
    async value(url, script) {
      const ended = await run([url, "--json=relaxed", "--eval", script]);
      if (ended.status !== 0) throw new Error(`mongosh ended with ${ended.status}: ${ended.stderr}${ended.stdout}`);
      return JSON.parse(ended.stdout);
    },
    session: (url, lines) => run([url], `${lines.join("\n")}\n`),
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        proxy.close(() => resolve());
        proxy.closeAllConnections();
      });
      rmSync(home, { recursive: true, force: true });
    },
  };
}
