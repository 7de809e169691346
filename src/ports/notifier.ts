// A notification channel, as alerts see it: a chat room, a mailbox, a pager, a dead-man heartbeat.
import type { Route, Severity } from "../core/routes.ts";
import type { Clock } from "./clock.ts";
import type { Work } from "./connection.ts";

export interface Alert {
  /** Equal for every event of one alert. Services that know deduplication use it as their key. */
  readonly identity: string;
  readonly event: "opened" | "reminder" | "closed" | "test";
  readonly severity: Severity;
  /** Null: the alert is about the repository or the machine. */
  readonly source: string | null;
  /** Stable, such as `BACKUP_OVERDUE`. */
  readonly code: string;
  /** A few words. May hold names from a source, so each channel escapes it. */
  readonly title: string;
  /** A sentence or two, escaped likewise. */
  readonly message: string;
  /** When the alert opened. */
  readonly since: Date;
  /** When this event happened. */
  readonly at: Date;
  /** A command that can be pasted, or an instruction. */
  readonly next?: string | undefined;
  /** An http or https address to read more. */
  readonly link?: string | undefined;
}

/** Alerts that are told at once and had the same event, as one message. */
export interface AlertGroup {
  readonly event: Alert["event"];
  /** The most severe first; at least two. */
  readonly alerts: readonly Alert[];
  /** When the last of these events happened. */
  readonly at: Date;
  readonly next?: string | undefined;
}

/**
 * One channel. All methods retry by themselves for a limited time. They throw NOTIFY_FAILED when the service could not be reached or
 * was busy, and another attempt may succeed; NOTIFY_REFUSED when the service rejected the request; the signal's reason when it aborts.
 * An alert may arrive twice when an answer is lost.
 */
export interface Notifier {
  /** Delivers one event of an alert. Absent: the channel has a heartbeat only, and alerts must go elsewhere. */
  send?(alert: Alert, work?: Work): Promise<void>;
  /** Delivers several alerts as one message. Absent: the service keeps an incident, an issue or an event for each, which is sent by itself. */
  sendGroup?(group: AlertGroup, work?: Work): Promise<void>;
  /** Reports to a dead-man monitor, which raises an alarm when the reports stop. Absent: the channel has none. */
  heartbeat?(state: "ok" | "fail", work?: Work): Promise<void>;
}

/** How long one delivery may take. */
export interface Timeouts {
  /** For one request and its whole answer. */
  readonly requestMs: number;
  /** From the first attempt to the last. */
  readonly totalMs: number;
  /** Pause after the first failed attempt; it doubles after each. */
  readonly pauseMs: number;
  readonly attempts: number;
}

export interface NotifierWiring<O> {
  /** The channel's name in the configuration. */
  readonly name: string;
  readonly options: O;
  readonly clock: Clock;
  /** Default: four attempts in at most a minute, ten seconds each. */
  readonly timeouts?: Timeouts | undefined;
}

/** A configured channel. */
export interface Channel {
  readonly name: string;
  readonly kind: string;
  readonly route: Route;
  /** Loads and makes the notifier once. Throws SECRET_MISSING when one of its secrets cannot be had. */
  notifier(): Promise<Notifier>;
}
