// Every generated document: where it lies and what it holds.

import { openApi } from "../../src/server/api/openapi.ts";
import { commandsPage } from "./commands.ts";
import { configurationPage } from "./configuration.ts";
import { errorsPage } from "./errors.ts";
import { jsonPage } from "./json.ts";
import { metricsPage } from "./metrics.ts";
import { monitoringPage } from "./monitoring.ts";
import { sandboxPage } from "./sandbox.ts";
import { editorSchema } from "./schema.ts";

/** Content by path from the root of the checkout. */
export async function generatedDocuments(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    ["docs/commands.md", await commandsPage()],
    ["docs/configuration.md", configurationPage()],
    ["docs/errors.md", errorsPage()],
    ["docs/json.md", await jsonPage()],
    ["docs/metrics.md", metricsPage()],
    ["docs/monitoring.md", monitoringPage()],
    ["docs/openapi.json", `${JSON.stringify(await openApi(), null, 1)}\n`],
    ["docs/sandbox.md", sandboxPage()],
    ["lifeboat.schema.json", editorSchema()],
  ]);
}
