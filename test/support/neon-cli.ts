// The real `neon` command line against a sandbox, kept from everything else: a proxy that only counts gets what is not for the sandbox.
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NeonSandbox } from "../../packages/sandbox/neon/sandbox.ts";

const PROGRAM = join(import.meta.dirname, "../../node_modules/neon/dist/cli.js");
const HUNG_MS = 60_000;

export interface NeonCli extends AsyncDisposable {
  /** Standard output of a command that ends with status 0; fails otherwise. */
  text(...args: readonly string[]): Promise<string>;
  /** As `text`, with `-o json`, read. */
  // biome-ignore lint/suspicious/noExplicitAny: shapes are what the tests look at
  json(...args: readonly string[]): Promise<any>;
  /** What a command says when it ends with another status. */
  failure(...args: readonly string[]): Promise<string>;
  /** Hosts that were asked for besides the sandbox. */
  readonly strangers: readonly string[];
}

export async function openNeonCli(sandbox: NeonSandbox): Promise<NeonCli> {
  const directory = mkdtempSync(join(tmpdir(), "lifeboat-neon-cli-"));
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
    HOME: directory,
    HTTP_PROXY: elsewhere,
    HTTPS_PROXY: elsewhere,
    NO_PROXY: "127.0.0.1",
    NODE_COMPILE_CACHE: join(directory, "compiled"),
    CI: "1",
  };
  const fixed = ["--no-analytics", "--config-dir", directory, "--context-file", join(directory, ".neon")];
  const run = (args: readonly string[]): Promise<{ status: number | null; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const all = [PROGRAM, ...args, "--api-host", sandbox.apiHost, "--api-key", sandbox.apiKey, ...fixed];
      const child = execFile(process.execPath, all, { env, timeout: HUNG_MS }, (_error, stdout, stderr) => {
        resolve({ status: child.exitCode, stdout, stderr });
      });
    });
  const text: NeonCli["text"] = async (...args) => {
    const { status, stdout, stderr } = await run(args);
    if (status !== 0) throw new Error(`neon ${args.join(" ")} ended with ${status}: ${stderr}${stdout}`);
    return stdout;
  };
  return {
    strangers,
    text,
    async json(...args) {
      const stdout = await text(...args, "-o", "json");
      return JSON.parse(stdout);
    },
    async failure(...args) {
      const { status, stdout, stderr } = await run(args);
      if (status === 0) throw new Error(`neon ${args.join(" ")} succeeded: ${stdout}`);
      return stderr;
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => {
        proxy.close(() => resolve());
        proxy.closeAllConnections();
      });
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
