// Archives to download from a secret address, until it expires.
import type { ServerResponse } from "node:http";
import type { Emulator } from "./emulator.ts";

export async function fetchDownload(emulator: Emulator, path: string, response: ServerResponse): Promise<void> {
  const [, , secret = ""] = path.split("/");
  const download = emulator.downloads.get(secret);
  if (download === undefined || download.expiresAt <= emulator.time.clock()) {
    response.writeHead(403, { "Content-Type": "application/xml" }).end("<Error><Code>AccessDenied</Code></Error>");
    return;
  }
  const bytes = await download.make();
  response.writeHead(200, { "Content-Type": "application/x-gzip", "Content-Length": String(bytes.length) }).end(bytes);
}

export function forgetDownloads(emulator: Emulator, secret: string): void {
  emulator.downloads.delete(secret);
}
