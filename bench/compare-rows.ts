// The comparison of one table by key, of the databases that PAST_URL and DATABASE_URL name. Prints how many rows differ, and the peak memory.
import { connectionFromUrl } from "../src/engines/postgres/connect/url.ts";
import { openPostgresEngine } from "../src/engines/postgres/engine.ts";

const [past, now] = [process.env.PAST_URL ?? "", process.env.DATABASE_URL ?? ""].map((url) => connectionFromUrl(url));
const rows = openPostgresEngine().rows;
if (past === undefined || now === undefined || rows === undefined) throw new Error("PAST_URL and DATABASE_URL name two databases");
const comparison = await rows.beginComparison(past, now, { tables: ["events"] });
let differences = 0;
for await (const table of comparison.compared()) for await (const _ of table.differences()) differences++;
await comparison.end();
console.log(`${differences} rows differ; peak memory ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
