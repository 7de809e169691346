// Archives to be fetched by a secret address, until it expires.
import type { ServerResponse } from "node:http";
import type { Realm } from "./realm.ts";

export async function fetchDownload(realm: Realm, path: string, response: ServerResponse): Promise<void> {
  const [, , secret = ""] = path.split("/");
  const download = realm.downloads.get(secret);
  if (download === undefined || download.expiresAt <= realm.time.clock()) {
    response.writeHead(403, { "Content-Type": "application/xml" }).end("<Error><Code>AccessDenied</Code></Error>");
    return;
  }
  const bytes = await download.make();
  response.writeHead(200, { "Content-Type": "application/x-gzip", "Content-Length": String(bytes.length) }).end(bytes);
}

export function forgetDownloads(realm: Realm, secret: string): void {
  realm.downloads.delete(secret);
}
