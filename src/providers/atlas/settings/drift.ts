// Where the cluster differs from the policy, and why apply cannot change it where it cannot.
import { formatDuration } from "../../../core/duration.ts";
import type { Drift } from "../../../ports/control.ts";
import { KIND_WORDS } from "../account.ts";
import type { AtlasCluster, AtlasPolicyItem, AtlasSchedule } from "../api/types.ts";
import type { AtlasOptions } from "../options.ts";
import { desiredSchedule, wantedWindowDays, wantsPit } from "./desired.ts";
import { describeItems, describeTime, inOrder, lowers, sameItems, withDesired } from "./schedule.ts";
import type { Survey } from "./survey.ts";

export const SETTINGS = {
  backup: "cloud backup",
  pit: "continuous backup",
  window: "history window",
  schedule: "snapshot schedule",
  protection: "protection",
  encryption: "encryption key provider",
  tls: "minimum TLS",
} as const;

export const OLDEST_TLS = "TLS1_2";

/** In the order in which they are applied: a schedule needs backup, a window needs hourly snapshots that are kept as long. */
export function driftOf(survey: Survey, options: AtlasOptions): Drift[] {
  const { cluster } = survey;
  const drifts = [
    ...backupDrift(cluster, options),
    ...scheduleDrift(survey, options),
    ...windowDrift(survey, options),
    ...protectionDrift(cluster, options),
    ...encryptionDrift(survey, options),
    ...tlsDrift(cluster),
  ];
  const why = whyUnchangeable(cluster);
  return drifts.map((drift) => {
    const reason = drift.blocked ?? why ?? (drift.setting === SETTINGS.protection ? undefined : whyNot(cluster, drift.setting));
    return reason === undefined ? drift : { ...drift, blocked: reason };
  });
}

const whyUnchangeable = ({ name, paused }: AtlasCluster): string | undefined =>
  paused ? `${name} is paused, and Atlas changes nothing of such a cluster: resume it first` : undefined;

/** What a tier cannot have. */
function whyNot({ name, kind }: AtlasCluster, setting: string): string | undefined {
  if (kind === "dedicated") return undefined;
  const instead = "move to a dedicated cluster (M10 or larger), or have Lifeboat make backups of it (`backups` in the policy)";
  const words = `${name} is a ${KIND_WORDS[kind]} cluster`;
  if (setting === SETTINGS.tls || setting === SETTINGS.encryption) return `${words}, where Atlas decides this by itself`;
  if (kind === "free") return `${words}, and Atlas makes no backups of those: ${instead}`;
  return `${words}: Atlas takes one snapshot a day of those, keeps eight, and offers nothing else: ${instead}`;
}

function backupDrift(cluster: AtlasCluster, options: AtlasOptions): Drift[] {
  const drifts: Drift[] = [];
  if (!cluster.backupEnabled) {
    const message = `turn on cloud backup of ${cluster.name} (it is off)`;
    drifts.push({ setting: SETTINGS.backup, wanted: "on", actual: "off", message });
  }
  if (wantsPit(options) && !cluster.pitEnabled) {
    const message = `turn on continuous backup of ${cluster.name}, so that any second can be restored (it is off)`;
    drifts.push({ setting: SETTINGS.pit, wanted: "on", actual: "off", message });
  }
  return drifts;
}

const DAY_MS = 86_400_000;

/** A window that is longer than the policy asks for is not drift. */
function windowDrift({ cluster, schedule }: Survey, options: AtlasOptions): Drift[] {
  const wantedDays = wantedWindowDays(options);
  const actualDays = cluster.pitEnabled ? (schedule?.windowDays ?? 0) : 0;
  if (wantedDays === undefined || actualDays >= wantedDays) return [];
  // Turning continuous backup on gives a window of Atlas's choice, which may do.
  const wanted = formatDuration(wantedDays * DAY_MS);
  const actual = actualDays === 0 ? "none" : formatDuration(actualDays * DAY_MS);
  const hourly = schedule === undefined ? undefined : windowItems(schedule.items, wantedDays).note;
  const message = `set the history window of ${cluster.name} to ${wanted} (it is ${actual})${hourly === undefined ? "" : `, and ${hourly}`}`;
  return [{ setting: SETTINGS.window, wanted, actual, message }];
}

const HOURLY: AtlasPolicyItem = { frequency: "hourly", interval: 6, unit: "days", value: 1 };
const NVME_HOURS = 12;

/** Atlas lets the window be no longer than hourly snapshots are kept: what the policy must be for such a window. */
export function windowItems(
  items: readonly AtlasPolicyItem[],
  windowDays: number,
  isNvme = false,
): { readonly items: readonly AtlasPolicyItem[]; readonly note?: string | undefined } {
  const hourly = items.find(({ frequency }) => frequency === "hourly");
  const needed = { ...(hourly ?? { ...HOURLY, ...(isNvme ? { interval: NVME_HOURS } : {}) }), unit: "days" as const, value: windowDays };
  if (hourly !== undefined && daysKept(hourly) >= windowDays) return { items };
  const changed = inOrder([...items.filter((item) => item !== hourly), needed]);
  const note = hourly === undefined ? `add snapshots ${describeItems([needed])}` : `keep hourly snapshots ${windowDays} days`;
  return { items: changed, note: `${note}, which Atlas asks for` };
}

const daysKept = ({ unit, value }: AtlasPolicyItem): number => value * { days: 1, weeks: 7, months: 30, years: 365 }[unit];

/** What the schedule is to be: the policy's items in the present one, kept as long as window and Atlas's order ask for. */
export function wantedItems(schedule: Pick<AtlasSchedule, "items" | "windowDays"> | undefined, options: AtlasOptions): AtlasPolicyItem[] {
  const { items } = desiredSchedule(options);
  const present = schedule?.items ?? [];
  const merged = withDesired(present, items);
  const days = wantsPit(options) ? Math.max(schedule?.windowDays ?? 0, wantedWindowDays(options) ?? 0) : 0;
  return [...(days > 0 && merged.some(({ frequency }) => frequency === "hourly") ? windowItems(merged, days).items : merged)];
}

/** One drift for what Atlas's schedule can say, and one for each rule that it cannot. */
function scheduleDrift({ cluster, schedule }: Survey, options: AtlasOptions): Drift[] {
  const { items, at, impossible } = desiredSchedule(options);
  const setting = SETTINGS.schedule;
  const present = schedule?.items ?? [];
  const drifts: Drift[] = impossible.map(({ rule, why }) => ({
    setting,
    wanted: `${rule.name} at ${rule.cron}`,
    actual: describeItems(present),
    message: `Atlas's schedule cannot make ${rule.name}`,
    blocked: why,
  }));
  if (items.length === 0) return drifts;
  const target = wantedItems(schedule, options);
  const timeIs = at === undefined || (schedule?.hour === at.hour && schedule?.minute === at.minute);
  if (schedule !== undefined && sameItems(target, present) && timeIs) return drifts;
  const atTime = at === undefined ? "" : `, at ${describeTime(at)}`;
  const wanted = `${describeItems(target)}${atTime}`;
  const now = schedule?.hour === undefined ? "" : `, at ${describeTime({ hour: schedule.hour, minute: schedule.minute ?? 0 })}`;
  const actual = `${describeItems(present)}${present.length === 0 ? "" : now}`;
  const instead = present.length === 0 ? "there is none" : `it is: ${actual}`;
  const message = `set the snapshot schedule of ${cluster.name} to: ${wanted} (${instead})`;
  return [{ setting, wanted, actual, message, ...(lowers(present, target) ? { lowers: true } : {}) }, ...drifts];
}

function protectionDrift({ name, kind, terminationProtection }: AtlasCluster, { desired }: AtlasOptions): Drift[] {
  if (!desired.protect || terminationProtection) return [];
  const message = `protect the cluster ${name} from termination (it is not protected)`;
  const drift: Drift = { setting: SETTINGS.protection, wanted: "protected", actual: "not protected", message };
  return [kind === "free" ? { ...drift, blocked: "Atlas protects no free (M0) cluster from termination" } : drift];
}

const KEY_NAMES = { aws: "AWS", azure: "AZURE", gcp: "GCP" } as const;

function encryptionDrift({ cluster, keys }: Survey, { desired }: AtlasOptions): Drift[] {
  if (desired.encryptionProvider === undefined) return [];
  const wanted = KEY_NAMES[desired.encryptionProvider];
  const actual = cluster.encryption ?? "NONE";
  if (actual === wanted) return [];
  const is = actual === "NONE" ? "it is encrypted by Atlas's own" : `it is ${actual}`;
  const message = `encrypt ${cluster.name} at rest with a key of ${wanted} (${is})`;
  const key = keys.find(({ provider }) => provider === wanted);
  const blocked =
    key?.enabled !== true
      ? `the project has no key of ${wanted}: set one up under Encryption at Rest in Atlas first`
      : key.valid
        ? undefined
        : `Atlas cannot use the project's key of ${wanted}: fix it under Encryption at Rest in Atlas first`;
  return [{ setting: SETTINGS.encryption, wanted, actual, message, blocked }];
}

/** R15. What Atlas does not say is its default, which is TLS 1.2. */
function tlsDrift({ name, minimumTls }: AtlasCluster): Drift[] {
  if (minimumTls === undefined || !/^TLS1_[01]$/.test(minimumTls)) return [];
  const words = (text: string): string => text.replace(/^TLS(\d)_(\d)$/, "TLS $1.$2");
  const message = `let ${name} take no connection below TLS 1.2 (it takes ${words(minimumTls)})`;
  return [{ setting: SETTINGS.tls, wanted: OLDEST_TLS, actual: minimumTls, message }];
}
