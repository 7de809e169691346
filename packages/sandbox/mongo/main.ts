// The server as a process of its own: prints one line of JSON when it is ready, ends when its standard input does or when it is told.
//   node main.ts [--port N] [--replica-set NAME] [--standalone] [--noop-every-ms N] [--history-ms N] [--version V] [--oplog-bytes N]
import { parseArgs } from "node:util";
import { startMongoSandbox } from "./sandbox.ts";

const { values } = parseArgs({
  options: {
    port: { type: "string" },
    "replica-set": { type: "string" },
    standalone: { type: "boolean" },
    "noop-every-ms": { type: "string" },
    "history-ms": { type: "string" },
    "oplog-bytes": { type: "string" },
    "latency-ms": { type: "string" },
    version: { type: "string" },
  },
});

const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));

const sandbox = await startMongoSandbox({
  port: number(values.port),
  replicaSet: values.standalone === true ? false : values["replica-set"],
  noopEveryMs: number(values["noop-every-ms"]),
  historyMs: number(values["history-ms"]),
  oplogBytes: number(values["oplog-bytes"]),
  latencyMs: number(values["latency-ms"]),
  version: values.version,
});

async function end(): Promise<void> {
  await sandbox.close();
  process.exit(0);
}

process.stdin.on("end", () => void end());
process.stdin.on("error", () => void end());
process.stdin.resume();
process.once("SIGTERM", () => void end());
process.once("SIGINT", () => void end());
process.stdout.write(`${JSON.stringify({ url: sandbox.url, host: sandbox.host, port: sandbox.port })}\n`);
