import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { postgresBin, skipWithoutPostgres } from "../../../../test/support/postgres.ts";
import { isLifeboatError } from "../../../core/errors.ts";
import { serverUser } from "../../../process/server-user.ts";
import { beginCluster } from "../cluster/cluster.ts";
import { nextSteps } from "./next.ts";

test("R25 a restored server that does not start is told with its cause, and writes no log elsewhere", {
  skip: skipWithoutPostgres(),
}, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-next-"));
  const logs = join(folder, "logs-of-the-source");
  chmodSync(folder, 0o711);
  mkdirSync(logs);
  chmodSync(logs, 0o777);
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const cluster = await beginCluster({ directory: join(folder, "kept"), bin: postgresBin(), jobId: "next", durable: false, keep: true });
  await cluster.stop();
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  t.after(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  appendFileSync(
    join(cluster.data, "postgresql.conf"),
    `\nlisten_addresses = '127.0.0.1'\nport = ${port}\nunix_socket_directories = ''\nlogging_collector = on\nlog_directory = '${logs}'\n`,
  );
  const place = { directory: cluster.data, owner: await serverUser() };
  await assert.rejects(nextSteps(place, postgresBin(), { start: true }), (error) => {
    assert.ok(isLifeboatError(error, "TOOL_FAILED"));
    assert.match(error.message, /could not bind IPv4 address "127\.0\.0\.1": Address already in use/);
    return true;
  });
  assert.deepEqual(readdirSync(logs), []);
});
