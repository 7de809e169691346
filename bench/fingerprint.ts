// The fingerprint alone, of the database that DATABASE_URL names.
import { connectionFromUrl } from "../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../src/engines/postgres/engine.ts";

const engine = openPostgresEngine();
await engine.fingerprint(connectionFromUrl(process.env.DATABASE_URL ?? ""), { kind: "full" });
