// A child process that waits for the starting signal and then makes one conditional put on a local storage.
// Arguments: directory, racer, etag to replace (empty: create). Answers "won", "lost" or the error.
import { once } from "node:events";
import { isLifeboatError } from "../../src/core/errors.ts";
import { openLocalStorage } from "../../src/storage/local/local.ts";

const [directory = "", racer = "", etag = ""] = process.argv.slice(2);
const storage = openLocalStorage({ directory });
await storage.head("race"); // warm, so that all start together
process.stdout.write("ready\n");
await once(process.stdin, "data");
try {
  await storage.put("race", new TextEncoder().encode(`racer ${racer}`), etag === "" ? { ifAbsent: true } : { ifMatch: etag });
  process.stdout.write("won\n");
} catch (error) {
  process.stdout.write(isLifeboatError(error, "STORAGE_CONFLICT") ? "lost\n" : `${error}\n`);
}
await storage.close();
process.stdin.destroy();
