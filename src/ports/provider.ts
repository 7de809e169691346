// The provider port: the control plane of the service that runs a source. Behaviour depends on capabilities, never on a provider's name.

import type { LifeboatError } from "../core/errors.ts";
import type { Connection, Work } from "./connection.ts";
import type { HistoryControl, SettingsControl, SnapshotControl } from "./control.ts";
import type { Isolation } from "./engine.ts";
import type { Maker, Resource, Undone } from "./resource.ts";

export interface ProviderCapabilities {
  /** The provider can create a scratch database. Without it, drills require `scratch.url` in the configuration. */
  readonly scratch: boolean;
  /** The source's server accepts replication connections, so base backups and a log archive are possible. */
  readonly physical: boolean;
}

export interface ScratchRequest extends Work {
  readonly maker: Maker;
  /** The major version of the source's server. A scratch server must have at least this version. */
  readonly serverMajor: number;
  /** Called, and awaited, before the resource is created. */
  readonly declare: (resource: Resource) => Promise<void>;
}

/** A temporary database to restore into. */
export interface Scratch {
  readonly connection: Connection;
  /** One sentence for the evidence: the kind of server, and how its times may differ from those of the real target. */
  readonly description: string;
  readonly resource: Resource;
  /** The whole server is scratch: databases can be created on it, and are deleted with it. */
  readonly ownServer: boolean;
  /** The isolation of restored code. A load leaves out objects that require more. Absent: such data contains no code. */
  readonly isolation?: Isolation | undefined;
  /** Why the scratch server was ended while the job used it, such as DISK_FULL. Later errors of the job are only its consequence. */
  fault?(): Promise<LifeboatError | undefined>;
  /** Ends and deletes it. Safe to call twice. */
  end(): Promise<void>;
}

/** A scratch place found at a provider. */
export interface FoundScratch {
  readonly jobId: string;
  readonly resource: Resource;
  /** Whether it carries the proof of that job, which means that this writer made it. */
  readonly own: boolean;
}

export interface Provider {
  readonly name: string;
  readonly capabilities: ProviderCapabilities;
  /** Returns a direct connection to the source's data, never a pooled one. */
  connection(work?: Work): Promise<Connection>;
  /** Describes where a drill would restore to, after checking that it can. Throws TOOL_*, SOURCE_*. Creates nothing. */
  checkScratch(serverMajor: number, work?: Work): Promise<string>;
  beginScratch(request: ScratchRequest): Promise<Scratch>;
  /** Present when the provider has settings that a policy can request. */
  readonly settings?: SettingsControl | undefined;
  /** Present when the provider holds snapshots. */
  readonly snapshots?: SnapshotControl | undefined;
  /** Present when the provider can restore a past instant. */
  readonly history?: HistoryControl | undefined;
  /** Lists the scratch places of all jobs at the provider, found by name, including those whose journal was lost. */
  orphans?(makerOf: (jobId: string) => Maker, work?: Work): Promise<readonly FoundScratch[]>;
  /**
   * Deletes the remains of a crashed job that carry the job's proof. Throws PROVIDER_REFUSED or SCRATCH_FAILED for an object with the
   * name but without the proof.
   */
  undo(resource: Resource, maker: Maker, work?: Work): Promise<Undone>;
}
