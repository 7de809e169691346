// The provider port: who runs a source, its control plane. What a provider can do is said by capabilities, never by its name.

import type { LifeboatError } from "../core/errors.ts";
import type { Connection, Work } from "./connection.ts";
import type { HistoryControl, SettingsControl, SnapshotControl } from "./control.ts";
import type { Isolation } from "./engine.ts";
import type { Maker, Resource, Undone } from "./resource.ts";

export interface ProviderCapabilities {
  /** The provider can make a scratch database by itself; without it a drill needs `scratch.url` in the configuration. */
  readonly scratch: boolean;
  /** The source's server gives a replication connection, so that base backups and a log archive are possible. */
  readonly physical: boolean;
}

export interface ScratchRequest extends Work {
  readonly maker: Maker;
  /** Major version of the server that the data came from; a scratch server must be of it or newer. */
  readonly serverMajor: number;
  /** Called, and awaited, before the resource comes to be. */
  readonly declare: (resource: Resource) => Promise<void>;
}

/** A database to restore into and throw away. */
export interface Scratch {
  readonly connection: Connection;
  /** One sentence for the evidence: what kind of server this was, and how its times may differ from the real target's. */
  readonly description: string;
  readonly resource: Resource;
  /** The whole server is scratch: databases can be made on it, and go with it. */
  readonly ownServer: boolean;
  /** What keeps the code of a restored database in; a load leaves out what needs more. Absent: there is no code in such data. */
  readonly isolation?: Isolation | undefined;
  /** Why the scratch was ended under the job, where its maker did that: DISK_FULL. Errors that the job met are only its consequence. */
  fault?(): Promise<LifeboatError | undefined>;
  /** Ends and removes it. Safe to call twice. */
  end(): Promise<void>;
}

/** A scratch place that a provider was found to have. */
export interface FoundScratch {
  readonly jobId: string;
  readonly resource: Resource;
  /** It carries the proof of that job: this writer made it. */
  readonly own: boolean;
}

export interface Provider {
  readonly name: string;
  readonly capabilities: ProviderCapabilities;
  /** How to reach the source's data: a direct connection, never a pooled one. */
  connection(work?: Work): Promise<Connection>;
  /** Where a drill would restore to, in words, after making sure that it can: TOOL_* or SOURCE_* when it cannot. Makes nothing. */
  checkScratch(serverMajor: number, work?: Work): Promise<string>;
  beginScratch(request: ScratchRequest): Promise<Scratch>;
  /** Present when the provider has settings of its own that a policy can ask for. */
  readonly settings?: SettingsControl | undefined;
  /** Present when the provider holds points of its own. */
  readonly snapshots?: SnapshotControl | undefined;
  /** Present when the provider can bring a past instant back by itself. */
  readonly history?: HistoryControl | undefined;
  /** Scratch places of any job that the provider has now, found by their names: what a lost journal would leave running. */
  orphans?(makerOf: (jobId: string) => Maker, work?: Work): Promise<readonly FoundScratch[]>;
  /**
   * Removes what a crashed job left, where it carries that job's proof. PROVIDER_REFUSED or SCRATCH_FAILED for what has the name and
   * does not carry it.
   */
  undo(resource: Resource, maker: Maker, work?: Work): Promise<Undone>;
}
