// Check: finds out whether configuration, tools, keys and access are in order before a job depends on them. Leaves nothing behind.

import { formatBytes, formatDuration } from "../../core/duration.ts";
import { isLifeboatError, LifeboatError } from "../../core/errors.ts";
import { namesIn } from "../../core/hints.ts";
import { type HealthCode, nextOfFinding, verdictOf } from "../../core/monitors.ts";
import { counted, wordsOf } from "../../core/words.ts";
import type { DatabaseFacts } from "../../ports/connection.ts";
import type { Duty, Rights } from "../../ports/rights.ts";
import type { Storage } from "../../ports/storage.ts";
import { freeBytesIn, RESERVE_BYTES } from "../../repository/spool.ts";
import { keyFits } from "../../seal/keys.ts";
import { ofConfiguredTables } from "../backup/backup.ts";
import type { Context, Source, Watch } from "../context.ts";
import { clockReason } from "./clocks.ts";
import { providerStatus } from "./provider-status.ts";

export interface Finding {
  readonly name: string;
  readonly outcome: "pass" | "fail" | "inconclusive";
  readonly message: string;
  /** What to do next, for anything but a pass. */
  readonly next?: string | undefined;
  readonly code?: string | undefined;
}

const PROBE_BYTES = new TextEncoder().encode("lifeboat check\n");

/** The repository can be written, raced for, read and cleaned; the key at hand opens what is sealed. */
export async function checkRepository(context: Context, watch: Watch): Promise<Finding[]> {
  const { storage, identity } = context.repository;
  const { signal } = watch;
  return [
    await finding("repository", async () => {
      const name = `leases/check-${Buffer.from(context.clock.randomBytes(8)).toString("hex")}.txt`;
      await exercise(storage, name, signal).catch(async (error: unknown) => {
        await storage.delete(name).catch(() => undefined); // the first cause is what matters
        throw error;
      });
      await storage.delete(name);
      return `${storage.url} can be written, raced for, read and cleaned`;
    }),
    ...lockFinding(context),
    await finding("clock", async () => {
      const [off] = clockReason("storage", await storage.now({ signal }), context.clock.now());
      if (off === undefined) return "this machine's clock and the storage's agree";
      return { outcome: "inconclusive", ...off, next: "set this machine's clock, or the storage's, by a time server" };
    }),
    await finding("recipients", async () => {
      const ours = "recipients" in context.sealKey ? context.sealKey.recipients : ["passphrase"];
      const known = new Set(identity.recipients);
      const strange = ours.filter((recipient) => !known.has(recipient));
      return strange.length === 0
        ? `${ours.length} can open new backups`
        : `${ours.length} can open new backups; ${strange.length} of them joined after the repository was made, so they cannot open the older ones`;
    }),
    await finding("writer key", async () => {
      const { keys, writer } = context.repository.trust;
      const { flaw } = context.repository;
      const others = `${counted(keys.length, "key")} trusted`;
      if (flaw !== undefined)
        return { outcome: "fail", message: flaw, next: "add the public key of the machine that made it to repository.signing.trusted" };
      if (writer === undefined)
        return {
          outcome: "inconclusive",
          message: `this machine has no writer key, so it can restore and not back up; ${others}`,
          next: "run `lifeboat init`, which makes one and names it in the configuration",
        };
      return `this machine signs what it writes; ${others}`;
    }),
    await finding("key", async () => {
      const key = await context.openKey();
      const ours = "recipients" in context.sealKey ? context.sealKey.recipients : ["passphrase"];
      if (!(await keyFits(key, ours)))
        return { outcome: "fail", message: "the identity at hand belongs to none of the recipients: it could not open a new backup" };
      return "the identity at hand opens what is sealed";
    }),
  ];
}

/** Backups that are to be locked cannot be stored where nothing can be. */
function lockFinding({ lockMs, repository: { storage } }: Context): Finding[] {
  if (lockMs === undefined || storage.capabilities.objectLock) return [];
  const message = `repository.storage.objectLock is set, and ${storage.url} cannot lock: every backup would be refused`;
  return [
    { name: "object lock", outcome: "fail", message, next: "remove objectLock, or use a bucket with object lock", code: "STORAGE_REFUSED" },
  ];
}

async function exercise(storage: Storage, name: string, signal: AbortSignal): Promise<void> {
  await storage.put(name, PROBE_BYTES, { ifAbsent: true, signal });
  try {
    await storage.put(name, PROBE_BYTES, { ifAbsent: true, signal });
  } catch (error) {
    if (!isLifeboatError(error, "STORAGE_CONFLICT")) throw error;
    for await (const _ of storage.get(name, { signal }));
    return;
  }
  throw new LifeboatError("STORAGE_FAILED", "the storage lets two writers create the same object: leases cannot be trusted on it");
}

/** The source answers, its data can be read, its tools are here, and a drill of it has a place and room. */
export async function checkSource(context: Context, source: Source, watch: Watch): Promise<Finding[]> {
  const name = `source ${source.name}`;
  let facts: DatabaseFacts | undefined;
  let askedAt = context.clock.now();
  const reached = await finding(name, async () => {
    facts = await source.engine.inspect(await source.provider.connection(watch), watch);
    askedAt = context.clock.now();
    const { database, serverVersion, user, tables, sizeBytes, tool } = facts;
    const as = user === "" ? "without a login" : `as ${user}`;
    const amount = counted(tables, wordsOf(source.engine.name).table);
    return `${database} on server ${serverVersion} ${as}: ${amount}, ${formatBytes(sizeBytes)}; ${tool}`;
  });
  const settings = await checkSettings(context, source, watch);
  if (facts === undefined) return namesIn([reached, ...settings], { source: source.name });
  const { serverMajor, sizeBytes, warnings, reasons = [] } = facts;
  const findings: Finding[] = [
    reached,
    ...settings,
    ...warnings.map((message) => ({ name, outcome: "inconclusive" as const, message })),
    ...reasons.map(({ code, message, next }) => ({
      name,
      outcome: verdictOf(code),
      message,
      code,
      next: nextOfFinding({ code, next }, source.name).text,
    })),
    ...clockOf(facts, askedAt).map((reason) => ({ ...reason, name, outcome: "inconclusive" as const, next: SET_CLOCK })),
    ...(await checkChosen(source, watch)),
    ...(await checkLog(source, watch)),
    await finding(`scratch of ${source.name}`, () => source.provider.checkScratch(serverMajor, watch)),
    await finding(`spool for ${source.name}`, async () => {
      const freeBytes = await freeBytesIn(context.spoolDirectory);
      const { outcome, words } = roomIn(freeBytes, sizeBytes);
      const message = `${formatBytes(freeBytes)} are free where a restore puts its bytes; ${words}`;
      return outcome === "pass"
        ? message
        : { outcome, message, next: "set tools.spoolDirectory to a larger place, should a restore not fit" };
    }),
    ...(await checkScratchRoom(source, sizeBytes)),
  ];
  return namesIn(findings, { source: source.name });
}

/**
 * Below the reserve, which an empty server takes as well, no restore begins. Between that and the database's size, one may fit: a dump is
 * smaller than its database.
 */
export function roomIn(freeBytes: number, sizeBytes: number): { outcome: "pass" | "inconclusive" | "fail"; words: string } {
  const words = `the database has ${formatBytes(sizeBytes)}`;
  if (freeBytes >= sizeBytes + RESERVE_BYTES) return { outcome: "pass", words };
  const outcome = freeBytes < RESERVE_BYTES ? "fail" : "inconclusive";
  return { outcome, words: `${words}, and ${formatBytes(RESERVE_BYTES)} beside it must be free` };
}

/** A scratch server made here holds the whole database. */
async function checkScratchRoom(source: Source, sizeBytes: number): Promise<Finding[]> {
  let elsewhere = false;
  const room = await finding(`room for scratch of ${source.name}`, async () => {
    const { scratchDirectory } = source;
    elsewhere = scratchDirectory === undefined;
    if (scratchDirectory === undefined) return "no scratch is made here";
    const freeBytes = await freeBytesIn(scratchDirectory);
    const { outcome, words } = roomIn(freeBytes, sizeBytes);
    const message = `${formatBytes(freeBytes)} are free where a drill makes its server; ${words}`;
    return outcome === "pass" ? message : { outcome, message, next: "set scratch.directory to a larger place" };
  });
  return elsewhere ? [] : [room];
}

const SET_CLOCK = "set this machine's clock, or the server's, by a time server";

const clockOf = ({ now }: DatabaseFacts, here: Date) => (now === undefined ? [] : clockReason("database", now, here));

const archivesLog = ({ engine, archive, windowMs }: Source): boolean =>
  engine.physical !== undefined && archive !== undefined && windowMs !== undefined;

/** What keeps the log from being archived at all; anything else that the server says of it is a remark. */
const UNARCHIVABLE: ReadonlySet<string> = new Set(["WAL_LEVEL_MINIMAL", "NO_WAL_SENDERS", "NO_SLOTS_LEFT", "SLOT_LOST"]);

/** Where a window is wanted, the server must let its WAL be received. */
async function checkLog(source: Source, watch: Watch): Promise<Finding[]> {
  const { engine, provider, archive, windowMs } = source;
  if (!archivesLog(source) || archive === undefined) return [];
  const name = `log of ${source.name}`;
  const failures: Finding[] = [];
  const said = await finding(name, async () => {
    const state = await engine.physical?.logState(await provider.connection(watch), archive.slot, watch);
    const warnings = state?.warnings.filter(({ code }) => code !== "REPLICATION_MISSING" && code !== "SLOT_IDLE") ?? [];
    for (const { code, message } of warnings) {
      if (UNARCHIVABLE.has(code)) failures.push({ name, outcome: "fail", code, message });
    }
    const remarks = warnings.map(({ message }) => `; ${message}`).join("");
    return `wal_level is ${state?.walLevel}, and WAL can be received for the window of ${formatDuration(windowMs ?? 0)}${remarks}`;
  });
  return failures.length > 0 ? failures : [said];
}

/** A backup of chosen tables would hold them; what they need and it would not hold is named. Without them the role's rights say nothing. */
async function checkChosen(source: Source, watch: Watch): Promise<Finding[]> {
  const { tables, engine, provider } = source;
  if (tables === undefined) return await checkRights(source, watch);
  const name = `tables of ${source.name}`;
  const gaps: Finding[] = [];
  const said = await finding(name, async () => {
    const chosen = await engine
      .chosen(await provider.connection(watch), tables, watch)
      .catch((error: unknown) => Promise.reject(ofConfiguredTables(error, source)));
    for (const { kind, object, reason, choose, mayFail } of chosen.gaps) {
      const next = choose === undefined ? undefined : `add ${choose} to sources.${source.name}.tables`;
      gaps.push({ name, outcome: mayFail ? "inconclusive" : "pass", message: `${kind}: ${object}: ${reason}`, next });
    }
    const along = chosen.along.map(({ kind, number }) => counted(number, kind)).join(", ");
    return `${counted(chosen.names.length, wordsOf(engine.name).table)} chosen${along === "" ? "" : `; with them come: ${along}`}`;
  });
  return [said, ...gaps, ...(said.outcome === "pass" ? await checkRights(source, watch) : [])];
}

/** The role that the source is read as may do what is configured; what it may do beyond that is a remark. */
async function checkRights(source: Source, watch: Watch): Promise<Finding[]> {
  const { engine, provider } = source;
  if (engine.rights === undefined) return [];
  const name = `rights of ${source.name}`;
  const duties: readonly Duty[] = archivesLog(source) ? ["backup", "archive"] : ["backup"];
  let missing: Rights["missing"] = [];
  let without: Rights["without"];
  const said = await finding(name, async () => {
    const rights = await engine
      .rights?.(await provider.connection(watch), duties, { ...watch, tables: source.tables })
      .catch((error: unknown) => Promise.reject(ofConfiguredTables(error, source)));
    missing = rights?.missing ?? [];
    without = rights?.without;
    const remark = rights?.excess.map((text) => `; ${text}: docs/postgres-role.md names the least role`).join("") ?? "";
    return `${rights?.role} may do what is configured${remark}`;
  });
  const beside: Finding[] =
    without === undefined ? [] : [{ name: `restore beside ${source.name}`, outcome: "pass", message: without.what, next: without.grant }];
  if (missing.length === 0) return [said, ...beside];
  const lacks = missing.map(
    ({ what, grant }): Finding => ({ name, outcome: "fail", message: what, next: grant, code: "SOURCE_PERMISSION" }),
  );
  return [...lacks, ...beside];
}

/** What a provider with settings of its own says of them, against the policy. */
async function checkSettings(context: Context, source: Source, watch: Watch): Promise<Finding[]> {
  const provider = await providerStatus(context, source, watch);
  if (provider === undefined) return [];
  const name = `settings of ${source.name}`;
  const plan = `run \`lifeboat plan ${source.name}\``;
  const nextOf: Partial<Record<HealthCode, string>> = { SNAPSHOT_OVERDUE: `run \`lifeboat backup ${source.name} --due\`` };
  const reasons = provider.reasons.map(({ code, message }): Finding => {
    const outcome = verdictOf(code);
    // Some say the command themselves.
    return {
      name,
      outcome,
      message,
      code,
      ...(code === "PROVIDER_NOT_ASKED" || message.includes("`lifeboat") ? {} : { next: nextOf[code] ?? plan }),
    };
  });
  const warnings = (provider.state?.warnings ?? []).map((message): Finding => ({ name, outcome: "inconclusive", message }));
  if (reasons.length + warnings.length > 0) return [...reasons, ...warnings];
  return [{ name, outcome: "pass", message: "as the policy wants them" }];
}

type Said = string | Omit<Finding, "name">;

async function finding(name: string, look: () => Promise<Said>): Promise<Finding> {
  try {
    const said = await look();
    return typeof said === "string" ? { name, outcome: "pass", message: said } : { name, ...said };
  } catch (error) {
    if (isLifeboatError(error, "CANCELLED")) throw error;
    if (isLifeboatError(error)) {
      const outcome = error.code === "KEY_MISSING" ? "inconclusive" : "fail";
      return { name, outcome, message: error.message, next: error.hint, code: error.code };
    }
    return { name, outcome: "fail", message: error instanceof Error ? error.message : String(error) };
  }
}
