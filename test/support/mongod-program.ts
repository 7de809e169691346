// A substitute for `mongod` where there is none: its arguments and socket, with the sandbox's server.
//   node mongod-program.ts --dbpath DIR --bind_ip SOCKET …
import { writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";

const args = process.argv.slice(2);
const argument = (name: string): string => args[args.indexOf(name) + 1] ?? "";

const dbpath = argument("--dbpath");
writeFileSync(join(dbpath, "mongod.lock"), `${process.pid}\n`, { flag: "wx" });
const sandbox = await startMongoSandbox({ replicaSet: false });
createServer((socket) => {
  const inner = connect(sandbox.port, sandbox.host);
  socket.pipe(inner).pipe(socket);
  for (const end of [socket, inner]) {
    end.on("error", () => {});
    end.on("close", () => (end === socket ? inner : socket).destroy());
  }
}).listen(argument("--bind_ip"));
