// Plants at a provider, and in what is between it and Lifeboat.
import type { AlertEvent } from "../../../src/core/alerts.ts";
import type { Limit } from "../../../src/core/limits.ts";
import type { Verdict } from "../../../src/core/verdict.ts";
import type { SandboxedNeon } from "../neon-sandbox.ts";
import type { Plant, Plants } from "./plant.ts";

const DAY_S = 86_400;

/** What is wrong with the world. */
export interface Troubles {
  unreachable: boolean;
  notAsked: boolean;
  limits: Limit[];
  clockOffMs: number;
  key: boolean;
  repository: boolean;
}
export const WELL: Troubles = { unreachable: false, notAsked: false, limits: [], clockOffMs: 0, key: false, repository: false };

/** A source at Neon whose window is seven days. */
interface AtNeon {
  readonly world: Troubles;
  readonly neon: SandboxedNeon;
  readonly served: Map<string, number>;
  work(): Promise<void>;
  accept(): Promise<unknown>;
  beat(): Promise<readonly AlertEvent[]>;
  drill(verdict: Verdict): Promise<void>;
}

export const history = (neon: SandboxedNeon, seconds: number) =>
  neon.expect(200, "PATCH", "", { project: { history_retention_seconds: seconds } });

const near = (name: string, unit: Limit["unit"]): Limit => ({ name, used: 81, max: 100, unit });
const sets = (change: Partial<Troubles>): Plant<AtNeon> => ({
  cause: ({ world }) => Object.assign(world, change),
  cure: ({ world }) => Object.assign(world, WELL),
});
const raised = ({ neon }: AtNeon) => history(neon, 7 * DAY_S);

async function branchesOf({ neon }: AtNeon): Promise<readonly { readonly id: string; readonly name: string; readonly default: boolean }[]> {
  return (await neon.expect(200, "GET", "/branches")).branches;
}

/** By hand, in the console of Neon. */
async function protect(year: AtNeon, on: boolean): Promise<void> {
  const production = (await branchesOf(year)).find((branch) => branch.default);
  await year.neon.expect(200, "PATCH", `/branches/${production?.id}`, { branch: { protected: on } });
}

async function removeNewest(year: AtNeon): Promise<void> {
  const found = (await branchesOf(year)).filter(({ name }) => name.startsWith("backup-")).sort((a, b) => (a.name < b.name ? -1 : 1));
  await year.neon.expect(200, "DELETE", `/branches/${found.at(-1)?.id}`);
}

export const PROVIDER = {
  SOURCE_UNREACHABLE: sets({ unreachable: true }),
  PROVIDER_NOT_ASKED: sets({ notAsked: true }),
  STORAGE_NEAR: sets({ limits: [near("disk", "bytes")] }),
  CONNECTIONS_NEAR: sets({ limits: [near("connections", "count")] }),
  LIMIT_NEAR: sets({ limits: [near("branches", "count")] }),
  CLOCK_OFF: sets({ clockOffMs: -60_000 }),
  KEY_MISSING: sets({ key: true }),
  REPOSITORY_UNREACHABLE: sets({ repository: true }),
  RETENTION_LOWERED: { cause: ({ neon }) => history(neon, DAY_S), cure: raised },
  WINDOW_SHORT: {
    async cause(year) {
      await history(year.neon, DAY_S);
      await year.accept();
    },
    cure: raised,
  },
  PITR_OFF: { too: ["EXPOSURE_ABOVE_RPO", "NEVER_VERIFIED"], cause: ({ neon }) => history(neon, 0), cure: raised },
  PROTECTION_OFF: {
    async cause(year) {
      await protect(year, true);
      await year.beat();
      await protect(year, false);
    },
    cure: (year) => protect(year, true),
  },
  SNAPSHOT_OVERDUE: {
    cause: removeNewest,
    async cure({ served, work }) {
      served.delete([...served.keys()].filter((key) => key.startsWith("backup")).at(-1) ?? "");
      await work();
    },
  },
  DRILL_FAILED: { cause: ({ drill }) => drill("fail"), cure: ({ drill }) => drill("pass") },
  DRILL_INCONCLUSIVE: { cause: ({ drill }) => drill("inconclusive"), cure: ({ drill }) => drill("pass") },
} satisfies Plants<AtNeon>;
