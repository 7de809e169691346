// Any PostgreSQL that a team runs itself, or that a host runs for it: no control plane, reached by its address.
import { DUMP_OBJECTIVES } from "../../core/objectives.ts";
import { POSTGRES, POSTGRES_OPTIONS, postgresUrl, SQL_CHECKS } from "../../engines/postgres/index.ts";
import { defineProvider } from "../../ports/descriptor.ts";
import { DUMP_POLICY } from "../self-hosted.ts";

export const postgres = defineProvider({
  name: "postgres",
  engine: POSTGRES,
  engineOptions: POSTGRES_OPTIONS,
  options: {
    url: {
      type: postgresUrl,
      secret: true,
      required: true,
      help: "Connection string of the database: direct, never through a pooler. Keep the password out of this file.",
      example: "${DATABASE_URL}",
    },
  },
  managed: false,
  archives: true,
  scratchHere: true,
  objectives: DUMP_OBJECTIVES,
  pointsBy: "snapshot",
  form: "snapshot",
  init: {
    byUrl: true,
    variables: [],
    place: (variable) => [`url: \${${variable}}`],
    checks: SQL_CHECKS,
    policy: DUMP_POLICY,
    next: (variable) => `export ${variable}=postgres://…`,
  },
  async load() {
    const [{ createPostgresProvider }, { openPostgresEngine }] = await Promise.all([
      import("./provider.ts"),
      import("../../engines/postgres/engine.ts"),
    ]);
    return {
      makeProvider: ({ options: { url }, scratch, tools }) => createPostgresProvider({ url, scratch, tools }),
      makeEngine: ({ engineOptions: { rolePasswords }, tools, isolation }) => openPostgresEngine({ bin: tools, isolation, rolePasswords }),
    };
  },
});
