// Any MongoDB that a team runs itself, or that a host runs for it: no control plane, reached by its address.
import { DUMP_OBJECTIVES } from "../../core/objectives.ts";
import { Secret } from "../../core/secret.ts";
import { collectionChecks, MONGODB, MONGODB_OPTIONS, mongoUrl, namesDatabase } from "../../engines/mongodb/index.ts";
import { defineProvider } from "../../ports/descriptor.ts";
import { DUMP_POLICY } from "../self-hosted.ts";

export const mongodb = defineProvider({
  name: "mongodb",
  engine: MONGODB,
  engineOptions: MONGODB_OPTIONS,
  options: {
    url: {
      type: mongoUrl,
      secret: true,
      required: true,
      help: "Connection string: with the database to protect, or without one for all. Keep the password out of this file.",
      example: "${DATABASE_URL}",
    },
  },
  rule({ databases, url }) {
    if (!Array.isArray(databases) || databases.length === 0 || !(url instanceof Secret)) return undefined;
    // The name is not repeated: behind a / that is part of the password stands more of the password.
    const message = "the connection string names a database already: remove one of the two";
    return namesDatabase(url.known() ?? "") ? { path: ["databases"], message } : undefined;
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
    checks: collectionChecks(),
    policy: DUMP_POLICY,
    next: (variable) => `export ${variable}=mongodb://…/DATABASE`,
  },
  async load() {
    const [{ createMongodbProvider }, { openMongoEngine }] = await Promise.all([
      import("./provider.ts"),
      import("../../engines/mongodb/engine.ts"),
    ]);
    return {
      makeProvider: ({ options: { url }, scratch, tools }) => createMongodbProvider({ url, scratch, tools }),
      makeEngine({ engineOptions: { databases, consistency }, options }) {
        const url = options.read().url.known();
        const several = url !== undefined && !namesDatabase(url);
        return openMongoEngine({ databases: databases.length > 0 ? databases : undefined, several, consistency });
      },
    };
  },
});
