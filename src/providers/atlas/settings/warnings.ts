// True things that a user should know and that are no drift.
import { formatInstant } from "../../../core/duration.ts";
import type { AtlasOptions } from "../options.ts";
import { isUnfinished } from "../snapshots.ts";
import { desiredSchedule, wantsPit } from "./desired.ts";
import { limitsNear } from "./limits.ts";
import { describeItems } from "./schedule.ts";
import type { Survey } from "./survey.ts";
import { completed } from "./window.ts";

export function warningsOf(survey: Survey, options: AtlasOptions): string[] {
  return [
    ...tierWarnings(survey),
    ...limitsNear(survey.limits),
    ...windowWarnings(survey),
    ...scheduleWarnings(survey, options),
    ...complianceWarnings(survey),
  ];
}

function tierWarnings({ cluster: { name, kind, paused, type, shards } }: Survey): string[] {
  const warnings: string[] = [];
  if (kind === "free") warnings.push(`${name} is a free (M0) cluster: Atlas makes no backups of those, so only Lifeboat's own protect it`);
  if (kind === "flex") {
    warnings.push(
      `${name} is a Flex cluster: Atlas takes one snapshot a day from 24 hours after its creation, keeps the newest eight, and offers no past second and no snapshot on demand`,
    );
  }
  if (paused) warnings.push(`${name} is paused: Atlas takes no snapshots of it, and nothing can connect to it`);
  if (type !== "REPLICASET" || shards > 1) {
    warnings.push(
      `${name} is a sharded cluster: Lifeboat watches its settings and snapshots, and leaves restores within Atlas to Atlas's own tools`,
    );
  }
  return warnings;
}

function windowWarnings({ cluster, window, snapshots, schedule }: Survey): string[] {
  if (cluster.kind !== "dedicated" || !cluster.backupEnabled) return [];
  const warnings: string[] = [];
  if (completed(snapshots).length === 0) {
    const next = schedule?.nextAt === undefined ? "" : ` (Atlas takes the next one at ${formatInstant(schedule.nextAt)})`;
    const begun = snapshots.some(isUnfinished) ? ": one is being taken" : next;
    warnings.push(`${cluster.name} has no complete snapshot yet, and no past second can be restored before it has${begun}`);
  }
  for (const { from, to } of window?.gaps ?? []) {
    warnings.push(
      to === undefined
        ? `${cluster.name} was restored over on ${formatInstant(from)}: no second since then can be brought back before its next snapshot has completed, so take one now with \`lifeboat backup SOURCE --kind snapshot\``
        : `${cluster.name} was restored over on ${formatInstant(from)}: no second from then until ${formatInstant(to)}, when its next snapshot had completed, can be brought back`,
    );
  }
  return warnings;
}

function scheduleWarnings({ schedule }: Survey, options: AtlasOptions): string[] {
  if (schedule === undefined) return [];
  const wished = new Set(desiredSchedule(options).items.map(({ frequency }) => frequency));
  // Hourly ones belong to continuous backup: Atlas asks for them.
  if (wantsPit(options)) wished.add("hourly");
  const others = schedule.items.filter(({ frequency }) => !wished.has(frequency) && frequency !== "ondemand");
  if (others.length === 0) return [];
  return [
    `Atlas's schedule also takes snapshots that the policy does not name, which are paid for: ${describeItems(others)}; name them in the policy's \`snapshots\`, or take them out in Atlas`,
  ];
}

function complianceWarnings({ compliance }: Survey): string[] {
  if (typeof compliance !== "object") return [];
  return [
    `the project has a Backup Compliance Policy (${compliance.state}): no snapshot can be deleted before its retention ends, and no protection can be lowered`,
  ];
}
