// Neon: PostgreSQL with branches, snapshots and a history, through its management API.
import { oneOf, text } from "../../core/option-types.ts";
import { POSTGRES, POSTGRES_OPTIONS, SQL_CHECKS } from "../../engines/postgres/index.ts";
import { defineProvider } from "../../ports/descriptor.ts";

const DAY_MS = 86_400_000;

export const neon = defineProvider({
  name: "neon",
  engine: POSTGRES,
  engineOptions: POSTGRES_OPTIONS,
  options: {
    projectId: { type: text, required: true, help: "Id of the project.", example: "${NEON_PROJECT_ID}" },
    apiKey: {
      type: text,
      secret: true,
      needed: "the API key",
      env: "NEON_API_KEY",
      help: "API key; one that is limited to the project is enough.",
      example: "${NEON_API_KEY}",
    },
    apiHost: {
      type: text,
      env: "NEON_API_HOST",
      help: "Address of the API, where it is not Neon's own.",
      example: "https://console.neon.tech/api/v2",
    },
    branch: { type: text, help: "Name of the production branch. Default: the project's default branch.", example: "production" },
    database: { type: text, help: "Database in that branch. Default: its only one, or the first." },
    role: { type: text, help: "Role that connects. Default: the database's owner." },
    plan: {
      type: oneOf(["free", "launch", "scale"]),
      help: "The account's plan, where the API does not tell it: it says what the limits are.",
      example: "launch",
    },
  },
  managed: true,
  archives: false,
  scratchHere: true,
  objectives: { rtoSeconds: 15 * 60, rpoSeconds: 60 },
  windowMs: 30 * DAY_MS,
  pointsBy: "branch",
  form: "branch",
  init: {
    byUrl: false,
    variables: ["NEON_PROJECT_ID"],
    place: () => ["projectId: ${NEON_PROJECT_ID}", "apiKey: ${NEON_API_KEY}"],
    checks: SQL_CHECKS,
    policy: ["window: 30d", "protect: true", "snapshots:", '  - { name: "backup-{date}", cron: "0 0 * * *", keep: 30d }'],
    next: () => "export NEON_PROJECT_ID=… NEON_API_KEY=…",
  },
  productionName: ({ branch }) => branch,
  async load() {
    const [{ createNeonProvider }, { openPostgresEngine }] = await Promise.all([
      import("./provider.ts"),
      import("../../engines/postgres/engine.ts"),
    ]);
    return {
      makeProvider: ({ options, scratch, tools, desired, clock }) => createNeonProvider({ ...options, scratch, tools, desired, clock }),
      makeEngine: ({ engineOptions: { rolePasswords }, tools, isolation }) => openPostgresEngine({ bin: tools, isolation, rolePasswords }),
    };
  },
});
