// A queue in a PostgreSQL database, shared by every machine that names it.
import { defineQueue } from "../../ports/descriptor.ts";

export const postgresQueue = defineQueue({
  schemes: ["postgres://", "postgresql://"],
  load: async () => ({ open: (await import("./queue.ts")).openPostgresQueue }),
});
