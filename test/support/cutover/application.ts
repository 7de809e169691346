// A small application: reads a file of variables when it starts, and serves /health when it can count the orders of its database.
// Arguments: the file, the port.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import pg from "pg";
import { partsOf } from "../../../src/engines/postgres/connect/url.ts";

const [file = "", port = ""] = process.argv.slice(2);
const url = /^DATABASE_URL='(.*)'$/m.exec(readFileSync(file, "utf8"))?.[1] ?? "";

createServer(async (_, response) => {
  const { host, port: at, user, password = "", database } = partsOf({ url, label: "" });
  const client = new pg.Client({ host, port: at, user, password, database });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query("select count(*)::int as orders from public.orders");
    response.writeHead(200).end(JSON.stringify({ database, ...rows[0] }));
  } catch (error) {
    response.writeHead(500).end(String(error));
  } finally {
    await client.end().catch(() => {});
  }
}).listen(Number(port), "127.0.0.1", () => process.stdout.write("ready\n"));
