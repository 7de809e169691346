// The schema of a database as statements, now or at a past point: what pg_dump says.

import { join } from "node:path";
import { programEnvironment, secretsOf } from "../../engines/postgres/connect/programs.ts";
import { connectionFromParts } from "../../engines/postgres/connect/url.ts";
import { runProgram } from "../../process/run.ts";
import { databaseOf, roleOf } from "./catalog.ts";
import { invalid, NeonFault } from "./errors.ts";
import { forkAt, pointOf, refuseLostHistory } from "./points.ts";
import type { Answer, Call, Realm } from "./realm.ts";
import { rolesOf } from "./state.ts";

const DUMP_TIMEOUT_MS = 60_000;

export async function getSchema(realm: Realm, call: Call): Promise<Answer> {
  const project = realm.project(call);
  const branch = realm.branch(project, call.params.branch);
  const wanted = call.query.get("db_name");
  if (wanted === null) throw invalid("db_name is required");
  const point = pointOf(call.query.get("timestamp") ?? undefined, call.query.get("lsn") ?? undefined);
  refuseLostHistory(branch, point);
  if (point.kind === "head") {
    const database = databaseOf(branch, wanted);
    return { status: 200, body: { sql: await dump(realm, branch.line, wanted, roleOf(branch, database.owner)) } };
  }
  const { line, catalog } = await forkAt(realm, project, branch, point);
  try {
    const database = databaseOf({ ...branch, catalog }, wanted);
    const role = rolesOf({ catalog }).find((each) => each.name === database.owner);
    return { status: 200, body: { sql: await dump(realm, line, wanted, { name: database.owner, password: role?.password }) } };
  } finally {
    await realm.fleet.stop(line);
    await realm.fleet.remove(line);
  }
}

async function dump(
  realm: Realm,
  line: string,
  database: string,
  role: { readonly name: string; readonly password?: string | undefined },
): Promise<string> {
  if (realm.bin === undefined) throw new NeonFault(501, "", "the sandbox has no pg_dump");
  const { port } = await realm.fleet.start(line);
  const parameters = { sslmode: "require" };
  const connection = connectionFromParts({ host: "127.0.0.1", port, user: role.name, password: role.password, database, parameters });
  const ran = await runProgram(join(realm.bin, "pg_dump"), ["--schema-only", "--no-owner", "--no-privileges"], {
    env: programEnvironment(connection),
    secrets: secretsOf(connection),
    timeoutMs: DUMP_TIMEOUT_MS,
    maxOutputBytes: 64 * 1024 * 1024,
  });
  if (ran.status !== 0) throw new NeonFault(500, "", `pg_dump ended: ${ran.end}`);
  // Settings and comments that differ from dump to dump are no part of a schema.
  return ran.stdout
    .split("\n")
    .filter((text) => !/^(--|\\(un)?restrict |SET |SELECT pg_catalog\.set_config)/.test(text))
    .join("\n")
    .replace(/\n{3,}/g, "\n\n")
    .trimStart();
}
