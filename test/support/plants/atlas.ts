// Plants at Atlas, by its own API.
import type { TestContext } from "node:test";
import { clusterBody, type SandboxedAtlas, startAtlas } from "../atlas-sandbox.ts";
import { beginWorld, type World } from "../program.ts";
import type { Plants } from "./plant.ts";
import { beatOn, wired } from "./stored-world.ts";

const YAML = `policies:
  p:
    window: 48h
    snapshots: [{ name: "daily-{date}", cron: "0 0 * * *", keep: 30d }]
`;
const STRANGER = "lifeboat-0dka1v00000000";

interface AtAtlas {
  readonly atlas: SandboxedAtlas;
  readonly world: World;
  readonly cluster: string;
}

/** A cluster whose settings are as the policy asks. */
export async function beginAtAtlas(t: TestContext) {
  const atlas = await startAtlas();
  t.after(() => atlas[Symbol.asyncDispose]());
  const { sandbox } = atlas;
  const world = await beginWorld(t, {
    sources: {},
    atlas: { sessions: sandbox },
    source: "database: shop, policy: p",
    yaml: YAML,
    env: { ATLAS_USER: sandbox.user, ATLAS_PASSWORD: sandbox.password },
  });
  await world.expect(0, "apply", "sessions");
  return { atlas, world, cluster: `/clusters/${sandbox.cluster}`, beat: beatOn(wired(world, () => new Date())) };
}

async function set({ atlas, cluster }: AtAtlas, change: object): Promise<void> {
  await atlas.expect(200, "PATCH", cluster, change);
  await atlas.until(cluster, ({ stateName }) => stateName === "IDLE");
}

export const ATLAS = {
  BACKUP_OFF: {
    too: ["NO_BACKUP", "PITR_OFF"],
    cause: (at) => set(at, { backupEnabled: false, pitEnabled: false }),
    async cure(at) {
      await set(at, { backupEnabled: true });
      await at.world.expect(0, "apply", "sessions");
    },
  },
  DRIFT: {
    async cause({ atlas, cluster }) {
      await atlas.expect(200, "PATCH", `${cluster}/backup/schedule`, { referenceHourOfDay: 5 });
    },
    cure: ({ world }) => world.expect(0, "apply", "sessions", "--yes", "sessions"),
  },
  ORPHANED_SCRATCH: {
    async cause({ atlas }) {
      await atlas.expect(201, "POST", "/clusters", clusterBody(STRANGER));
    },
    async cure({ atlas }) {
      await atlas.until(`/clusters/${STRANGER}`, ({ stateName }) => stateName === "IDLE");
      await atlas.expect(202, "DELETE", `/clusters/${STRANGER}`);
      await atlas.until("/clusters", ({ results }) => results.length === 1);
    },
  },
} satisfies Plants<AtAtlas>;
