// Plants in a log archive.
import { globSync, rmSync, truncateSync } from "node:fs";
import type { Plants } from "./plant.ts";
import { moved, type Stored } from "./stored-world.ts";

/** What `beginStored` takes for a source whose log is archived. */
export const ARCHIVED = {
  source: ", policy: pitr, archive: { partialEvery: 1s }",
  yaml: "policies: { pitr: { window: 7d } }\n",
};

/** Files of the second segment. */
const second = ({ path }: Stored, ending: string): string => {
  const [, found] = globSync(path("sources/shop/log/*/*.zst.age")).sort();
  if (found === undefined) throw new Error("there are fewer than two segments");
  return found.replace(/\.zst\.age$/, ending);
};

export const LOG = {
  NO_BASE: { too: ["NO_BACKUP", "POINT_MISSING"], ...moved("sources/shop/backups") },
  LOG_GAP: {
    cause: (stored) => stored.moveAside(second(stored, ".zst.age")),
    cure: ({ putBack }) => putBack(),
  },
  LOG_DAMAGED: {
    too: ["LOG_GAP"],
    cause(stored) {
      const file = second(stored, ".json");
      stored.keep(file);
      truncateSync(file, 1);
    },
    cure: ({ putBack }) => putBack(),
  },
  LOG_UNSIGNED: {
    too: ["LOG_GAP"],
    cause(stored) {
      const files = globSync(`${second(stored, ".json")}*.sig`);
      stored.keep(...files);
      for (const file of files) rmSync(file);
    },
    cure: ({ putBack }) => putBack(),
  },
  LOG_MISSING: { too: ["LOG_BEHIND"], ...moved("sources/shop/log") },
  LOG_BEHIND: {
    too: ["EXPOSURE_ABOVE_RPO"],
    cause: ({ pass }) => pass(2 * 3_600_000),
    async cure({ archive }) {
      await archive();
    },
  },
} satisfies Plants<Stored>;
