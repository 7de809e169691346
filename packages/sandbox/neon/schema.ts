// The schema of a database as statements, now or at a past point: what pg_dump says.

import { join } from "node:path";
import { programEnvironment, secretsOf } from "../../../src/engines/postgres/connect/programs.ts";
import { connectionFromParts } from "../../../src/engines/postgres/connect/url.ts";
import { runProgram } from "../../../src/process/run.ts";
import { databaseOf, roleOf } from "./catalog.ts";
import type { Answer, ApiRequest, Emulator } from "./emulator.ts";
import { invalid, NeonApiError } from "./errors.ts";
import { forkAt, pointOf, refuseLostHistory } from "./points.ts";
import { rolesOf } from "./state.ts";

const DUMP_TIMEOUT_MS = 60_000;

export async function getSchema(emulator: Emulator, request: ApiRequest): Promise<Answer> {
  const project = emulator.project(request);
  const branch = emulator.branch(project, request.params.branch);
  const wanted = request.query.get("db_name");
  if (wanted === null) throw invalid("db_name is required");
  const point = pointOf(request.query.get("timestamp") ?? undefined, request.query.get("lsn") ?? undefined);
  refuseLostHistory(branch, point);
  if (point.kind === "head") {
    const database = databaseOf(branch, wanted);
    return { status: 200, body: { sql: await dump(emulator, branch.line, wanted, roleOf(branch, database.owner)) } };
  }
  const { line, catalog } = await forkAt(emulator, project, branch, point);
  try {
    const database = databaseOf({ ...branch, catalog }, wanted);
    const role = rolesOf({ catalog }).find((each) => each.name === database.owner);
    return { status: 200, body: { sql: await dump(emulator, line, wanted, { name: database.owner, password: role?.password }) } };
  } finally {
    await emulator.fleet.stop(line);
    await emulator.fleet.remove(line);
  }
}

async function dump(
  emulator: Emulator,
  line: string,
  database: string,
  role: { readonly name: string; readonly password?: string | undefined },
): Promise<string> {
  if (emulator.bin === undefined) throw new NeonApiError(501, "", "the sandbox has no pg_dump");
  const { port } = await emulator.fleet.start(line);
  const parameters = { sslmode: "require" };
  const connection = connectionFromParts({ host: "127.0.0.1", port, user: role.name, password: role.password, database, parameters });
  const ran = await runProgram(join(emulator.bin, "pg_dump"), ["--schema-only", "--no-owner", "--no-privileges"], {
    env: programEnvironment(connection),
    secrets: secretsOf(connection),
    timeoutMs: DUMP_TIMEOUT_MS,
    maxOutputBytes: 64 * 1024 * 1024,
  });
  if (ran.status !== 0) throw new NeonApiError(500, "", `pg_dump ended: ${ran.end}`);
  // Settings and comments that differ from dump to dump do not belong to a schema.
  return ran.stdout
    .split("\n")
    .filter((text) => !/^(--|\\(un)?restrict |SET |SELECT pg_catalog\.set_config)/.test(text))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trimStart();
}
