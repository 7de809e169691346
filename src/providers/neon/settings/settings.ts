// Settings at Neon against the policy: read, and mend one difference at a time.

import { formatDuration, parseDuration } from "../../../core/duration.ts";
import { LifeboatError } from "../../../core/errors.ts";
import type { Work } from "../../../ports/connection.ts";
import type { Drift, ProviderState, SettingsControl } from "../../../ports/control.ts";
import { type Account, isRoot, lookAround } from "../account.ts";
import { driftOf, SETTINGS, wantedSchedule } from "./drift.ts";
import { describeSchedule } from "./schedule.ts";
import { type Survey, survey } from "./survey.ts";
import { warningsOf } from "./warnings.ts";
import { type Window, windowOf } from "./window.ts";

export function settingsControl(account: Account): SettingsControl {
  const { options, clock } = account;
  return {
    async read(work) {
      const seen = await survey(account, work);
      const now = clock.now();
      const window = seen.production === undefined ? undefined : windowOf(seen.project, seen.production, now);
      return {
        settings: settingsOf(seen, window),
        window,
        limits: seen.limits,
        drift: driftOf(seen, options),
        warnings: warningsOf(seen, options.desired, now),
      };
    },
    async apply(drift, work) {
      if (drift.blocked !== undefined) throw new LifeboatError("PROVIDER_LIMIT", `${drift.message}: ${drift.blocked}`);
      const mend = MEND[drift.setting];
      if (mend === undefined) throw new LifeboatError("BUG", `nobody knows how to mend the setting ${drift.setting}`);
      await mend(account, drift, work);
    },
  };
}

type Mend = (account: Account, drift: Drift, work: Work | undefined) => Promise<void>;

/** Each looks first and does nothing where nothing is left to do. */
const MEND: Readonly<Record<string, Mend>> = {
  async [SETTINGS.history]({ api, options }, { wanted }, work) {
    // The words are rounded; the wish itself is not.
    const wishMs = options.desired.windowMs ?? 0;
    const seconds = Math.ceil((wanted === formatDuration(wishMs) ? wishMs : parseDuration(wanted)) / 1000);
    if ((await api.project(work)).historySeconds < seconds) await api.setHistory(seconds, work);
  },
  async [SETTINGS.isDefault](account, _, work) {
    const { production } = await lookAround(account, work);
    if (!production.isDefault) await account.api.setDefault(production.id, work);
  },
  async [SETTINGS.protection](account, _, work) {
    const { production } = await lookAround(account, work);
    if (!production.isProtected) await account.api.updateBranch(production.id, { protected: true }, work);
  },
  async [SETTINGS.schedule](account, { wanted }, work) {
    const { production } = await lookAround(account, work);
    const items = wantedSchedule(account.options);
    if (describeSchedule(items) !== wanted) {
      throw new LifeboatError("PROVIDER_REFUSED", "the policy's snapshot schedule has changed since it was compared", {
        hint: "run `lifeboat plan SOURCE` again",
      });
    }
    await account.api.setSchedule(production.id, items, work);
  },
};

/** Names that scripts rely on (R1). */
function settingsOf({ project, planName, production, schedule, snapshots }: Survey, window: Window | undefined): ProviderState["settings"] {
  return {
    pitr_enabled: window !== undefined,
    pitr_retention_days: Math.round((project.historySeconds / 86_400) * 1000) / 1000,
    earliest_restore_time: window?.earliest.toISOString() ?? null,
    latest_restore_time: window?.latest.toISOString() ?? null,
    plan: planName ?? null,
    region: project.region || null,
    branch: production?.name ?? null,
    branch_id: production?.id ?? null,
    branch_default: production?.isDefault ?? null,
    branch_protected: production?.isProtected ?? null,
    branch_root: production === undefined ? null : isRoot(production),
    snapshot_schedule: describeSchedule(schedule),
    snapshots: snapshots.length,
  };
}
