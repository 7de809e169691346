// lifeboat serve
import { EXIT } from "../../core/errors.ts";
import { oneOf, ownPort, text } from "../../core/option-types.ts";
import { LOG_FORMATS, openLog } from "../../server/logs.ts";
import { serve } from "../../server/serve.ts";
import { readVersion } from "../../version.ts";
import { defineCommand } from "../command.ts";
import { growSlowly } from "../heap.ts";

export const serveCommand = defineCommand({
  description:
    "Does what `tick` does, continuously, until it is stopped (SIGTERM, Ctrl-C): backups, snapshots, drills and expiry at their slots, the log archives of sources whose policy sets a window, alerts, health and metrics over HTTP. What became due while it was away is done once. A changed configuration is loaded by itself, or at SIGHUP; one that is not valid is refused, and the one before stays in force. The log is written to standard error.",
  arguments: {},
  options: {
    host: { type: text, value: "HOST", help: "Address to listen at. Default: `server.host` of the configuration, 127.0.0.1." },
    port: { type: ownPort, value: "PORT", help: "Port to listen at; 0 takes one that is free. Default: `server.port`, 7420." },
    log: {
      type: oneOf(LOG_FORMATS),
      default: "text",
      value: "FORMAT",
      help: "Form of the log: lines for people, or one JSON object a line.",
    },
  },
  json: false,
  examples: ["lifeboat serve", "lifeboat serve --port 8080 --log json"],
  async run({ options, clock, env, signal, stderr, onHangup, ...call }) {
    growSlowly();
    const config = call.config();
    const secrets = new Set(config.secrets);
    const log = openLog({ format: options.log, clock, write: (line) => stderr.write(line), secrets });
    const load = () => {
      const next = call.reload();
      for (const secret of next.secrets) secrets.add(secret);
      return next;
    };
    const { host, port } = options;
    await serve({ ...{ config, load, log, signal, clock, env, host, port, onHangup }, lifeboat: readVersion() });
    return EXIT.done;
  },
});
