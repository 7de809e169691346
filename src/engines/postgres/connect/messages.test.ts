// What a server or the machine says, in any language.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { freshDatabase, postgresBin, query, skipWithoutPostgres, testCluster } from "../../../../test/support/postgres.ts";
import { isLifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import { runProgram } from "../../../process/run.ts";
import { openClient } from "./client.ts";
import { programEnvironment } from "./programs.ts";
import { translateLogin } from "./translate.ts";
import { connectionFromParts, connectionFromUrl, partsOf } from "./url.ts";

const needsServer = { skip: skipWithoutPostgres() };

test("a superuser's sessions and programs are told in English what is wrong", needsServer, async () => {
  const admin = await freshDatabase();
  await query(admin, `create role guest login password 'p'; alter database ${partsOf(admin).database} set lc_messages = 'C.UTF-8'`);
  const languageOf = async (connection: Connection): Promise<readonly string[]> => {
    const client = await openClient(connection);
    const [row] = await client.query<{ lc_messages: string }>("show lc_messages");
    const env = programEnvironment(connection, client);
    const ran = await runProgram(join(postgresBin(), "psql"), ["-XAt", "-c", "show lc_messages"], { env, timeoutMs: 60_000 });
    await client.close();
    return [row?.lc_messages ?? "", ran.stdout.trim()];
  };
  assert.deepEqual(await languageOf(admin), ["C", "C"]);
  // Only a superuser may choose.
  assert.deepEqual(await languageOf(connectionFromParts({ ...partsOf(admin), user: "guest", password: "p" })), ["C.UTF-8", "C.UTF-8"]);
});

test("R25 a database whose locale the machine lacks is told with the locale to install, in any language", () => {
  const detail = "Die Datenbank wurde mit LC_COLLATE »de_DE.UTF-8« initialisiert, was von setlocale() nicht erkannt wird.";
  const refused = Object.assign(new Error("Datenbank-Locale ist inkompatibel mit Betriebssystem"), { code: "XX000", detail });
  const told = translateLogin(refused, connectionFromUrl("postgres://u@h/shop"));
  assert.ok(isLifeboatError(told, "CAPABILITY_MISSING"));
  assert.match(told.message, /de_DE\.UTF-8/);
  assert.match(told.hint, /install that locale/);
});

test("access rules that refuse a host are the cause that is told, not TLS that was tried before", needsServer, async (t) => {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const settings = { listen_addresses: "127.0.0.1", port: String(port) };
  const cluster = await testCluster({ settings, hba: "host all all 127.0.0.1/32 reject" });
  t.after(() => cluster.stop());
  await assert.rejects(openClient(connectionFromUrl(`postgres://u@127.0.0.1:${port}/d`)), (error) => {
    return isLifeboatError(error, "SOURCE_AUTH") && /pg_hba\.conf rejects/.test(error.message) && /admit this host/.test(error.hint);
  });
});
