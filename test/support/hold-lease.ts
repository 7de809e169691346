// Holds a lease in a local storage until it is killed. Arguments: directory, name of the lease, file with the writer's key.
import { readFileSync } from "node:fs";
import { acquireLease } from "../../src/repository/leases.ts";
import { openForgetful } from "../../src/repository/memory.ts";
import { parseWriter, trustOf } from "../../src/repository/trust.ts";
import { openLocalStorage } from "../../src/storage/local/local.ts";
import { systemClock } from "../../src/system-clock.ts";

const [directory = "", name = "", keyFile = ""] = process.argv.slice(2);
const trust = trustOf([], parseWriter(readFileSync(keyFile, "utf8"), keyFile));
const repository = {
  storage: openLocalStorage({ directory }),
  identity: { format: 1, id: "test", createdAt: "", recipients: [] },
  trust,
  memory: openForgetful(),
} as const;
const holder = { job: "j1", journal: "jobs/2026/11/21/j1.json", verb: "drill", source: "shop" };
await acquireLease(repository, name, holder, systemClock);
console.log("held");
setInterval(() => repository, 1000);
