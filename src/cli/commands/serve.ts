// lifeboat serve
import { EXIT } from "../../core/errors.ts";
import { integer, oneOf, text } from "../../core/option-types.ts";
import { LOG_FORMATS, openLog } from "../../server/logs.ts";
import { serve } from "../../server/serve.ts";
import { readVersion } from "../../version.ts";
import { defineCommand } from "../command.ts";

export const serveCommand = defineCommand({
  description: "Runs until it is stopped (SIGTERM, Ctrl-C), and writes its log to standard error.",
  arguments: {},
  options: {
    host: { type: text, value: "HOST", help: "Address to listen at. Default: `server.host` of the configuration, 127.0.0.1." },
    port: { type: integer(0), value: "PORT", help: "Port to listen at; 0 takes one that is free. Default: `server.port`, 7420." },
    log: {
      type: oneOf(LOG_FORMATS),
      default: "text",
      value: "FORMAT",
      help: "Form of the log: lines for people, or one JSON object a line.",
    },
  },
  json: false,
  examples: ["lifeboat serve", "lifeboat serve --port 8080 --log json"],
  async run({ options, clock, env, signal, stderr, ...call }) {
    const config = call.config();
    const log = openLog({ format: options.log, clock, write: (line) => stderr.write(line), secrets: () => config.secrets });
    await serve({ config, log, signal, clock, env, lifeboat: readVersion(), host: options.host, port: options.port });
    return EXIT.done;
  },
});
