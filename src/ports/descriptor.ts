// How an engine, a provider, a storage, a notification channel, a queue and a cut-over say what they are, without the code that does their work: what the configuration, its
// documentation and `init` know of them. A descriptor names its adapter's module in `load()` alone, so that reading it costs nothing.
import type { Keep } from "../core/duration.ts";
import type { Promised } from "../core/objectives.ts";
import type { Option, OptionTable, Rule, Values } from "../core/option.ts";
import type { Late, Secret } from "../core/secret.ts";
import type { WorkItem } from "../core/work.ts";
import type { Clock } from "./clock.ts";
import type { CutOver, CutOverWiring } from "./cutover.ts";
import type { Engine } from "./engine.ts";
import type { Notifier, NotifierWiring } from "./notifier.ts";
import type { Provider } from "./provider.ts";
import type { Queue } from "./queue.ts";
import type { Storage } from "./storage.ts";

export interface EngineDescriptor {
  readonly name: string;
  /** How addresses of its servers may begin; messages show them in this order. */
  readonly schemes: readonly string[];
  /** Options of a check that it does not know, and what to use instead. */
  readonly foreignChecks: Readonly<Record<string, string>>;
  /** Where its programs are. */
  readonly tools: Option<string>;
  /** Further options of the archive of its log. */
  readonly archive: OptionTable;
  /** Throws CONFIG_INVALID for text that is not the address of such a server, with no part of it. Connects to nothing. */
  readAddress(url: string): Promise<void>;
}

/** A kind of point that is to exist at the provider, and for how long. */
export interface PointRule {
  /** Pattern of its names, such as `backup-{date}`. */
  readonly name: string;
  readonly cron: string;
  readonly keepMs: Keep;
  /** Made by Lifeboat as a branch or a snapshot, or by the provider's own schedule. */
  readonly by: "branch" | "snapshot" | "provider";
}

/** What the policy asks of a provider. */
export interface Desired {
  /** How far back any instant is to be reachable; absent: the policy does not say. 0: it is not asked for. */
  readonly windowMs?: number | undefined;
  /** Whether production is to be protected against deletion. */
  readonly protect: boolean;
  readonly rules: readonly PointRule[];
  /** Further patterns of names under which Lifeboat makes points, such as that of pre-deploy points. */
  readonly names?: readonly string[] | undefined;
  /** Whose key data at rest is to be encrypted with. */
  readonly encryptionProvider?: "aws" | "azure" | "gcp" | undefined;
}

/** Where drills restore to. */
export interface ScratchSettings {
  /** A server by its address; absent: a server that is made for the drill. */
  readonly url?: Secret | undefined;
  readonly directory?: string | undefined;
  readonly user?: string | undefined;
  readonly isolation?: "required" | "none" | undefined;
}

export interface EngineWiring<E, O> {
  readonly engineOptions: E;
  readonly options: Late<O>;
  /** Folder of the engine's programs. */
  readonly tools: string | undefined;
  readonly isolation: "required" | "none";
}

export interface ProviderWiring<E, O> {
  readonly engineOptions: E;
  readonly options: O;
  readonly scratch: ScratchSettings;
  readonly tools: string | undefined;
  readonly desired: Desired;
  readonly clock: Clock;
}

/** The code of a provider. What it makes reads secrets when it connects, and not before. */
export interface ProviderAdapter<E, O> {
  makeEngine(wiring: EngineWiring<E, O>): Engine;
  makeProvider(wiring: ProviderWiring<E, O>): Provider;
}

/** The first source of a new configuration, as `init` writes it. */
export interface InitTemplate {
  /** Reached by a connection string in a variable of the user's choice. */
  readonly byUrl: boolean;
  /** Variables that are set on a machine where it is used. */
  readonly variables: readonly string[];
  /** Lines of YAML that say where the source is. */
  place(variable: string): readonly string[];
  /** Examples of checks. */
  readonly checks: readonly string[];
  /** Lines of YAML of a policy. */
  readonly policy: readonly string[];
  /** The command that sets what the file refers to. */
  next(variable: string): string;
}

export interface ProviderDescriptor<E extends OptionTable = OptionTable, O extends OptionTable = OptionTable> {
  readonly name: string;
  readonly engine: EngineDescriptor;
  /** Options of a source that its engine reads. */
  readonly engineOptions: E;
  /** Options of a source that say where it is; read when the provider is made. */
  readonly options: O;
  readonly rule?: Rule | undefined;
  /** It has a control plane of its own. */
  readonly managed: boolean;
  /** The log of its sources can be archived into the repository. */
  readonly archives: boolean;
  /** Drills of its backups run on a server made on this machine, where none is named. */
  readonly scratchHere: boolean;
  /** What is promised where the configuration does not say. */
  readonly objectives: Promised;
  /** How far back any instant is to be reachable where the policy does not say. */
  readonly windowMs?: number | undefined;
  /** How a point of the policy is made where its rule does not say. */
  readonly pointsBy: PointRule["by"];
  /** How a point made by Lifeboat is made where the policy does not say. */
  readonly form: "branch" | "snapshot";
  /** What it cannot make of a policy's points. */
  readonly cannotMake?: readonly ("branch" | "snapshot")[];
  readonly init: InitTemplate;
  /** What the configuration calls the production branch. */
  productionName?(options: Values<O>): string | undefined;
  load(): Promise<ProviderAdapter<Values<E>, Values<O>>>;
}

export interface StorageOrder<P, O> {
  readonly place: P;
  readonly options: O;
  /** Backups are locked against deletion. */
  readonly lock: boolean;
  /** Makes the place where that costs nothing and it does not exist. */
  readonly create: boolean;
  readonly spoolDirectory?: string | undefined;
}

export interface StorageDescriptor<P = unknown, O extends OptionTable = OptionTable> {
  /** Scheme of its addresses, without the colon. */
  readonly scheme: string;
  /** An address, for messages and documents. */
  readonly example: string;
  readonly options: O;
  /** Options that the address can say too, by the names of its parameters; the address has precedence. */
  readonly parameters?: Readonly<Record<string, keyof O & string>> | undefined;
  readonly rule?: Rule | undefined;
  /** Returns the address for what was written, where a relative one starts at a folder. */
  absolute?(written: string, absolute: (path: string) => string): string;
  /** Reads the address without its parameters. Throws Mismatch: the end of a sentence that begins with the address. */
  place(url: URL): P;
  load(): Promise<{ open(order: StorageOrder<P, Values<O>>): Promise<Storage> }>;
}

export interface NotifierDescriptor<O extends OptionTable = OptionTable> {
  /** As `kind` in the configuration. */
  readonly kind: string;
  readonly options: O;
  readonly rule?: Rule | undefined;
  load(): Promise<{ makeNotifier(wiring: NotifierWiring<Values<O>>): Notifier }>;
}

export interface QueueOrder {
  /** As configured, with its password. */
  readonly address: string;
  /** Attempts before an item is parked. */
  readonly attempts: number;
  /** Pause after the first failed attempt; it grows with each. */
  readonly pauseMs: number;
  /** A worker that is silent for so long loses what it runs to another. */
  readonly takeOverMs: number;
  readonly clock: Clock;
  /** Checks what was stored: undefined for anything that is not a work item. */
  parse(stored: unknown): WorkItem | undefined;
}

export interface QueueDescriptor {
  /** How its addresses begin. */
  readonly schemes: readonly string[];
  load(): Promise<{ open(order: QueueOrder): Promise<Queue> }>;
}

export interface CutOverDescriptor<O extends OptionTable = OptionTable> {
  /** As `kind` in the configuration. */
  readonly kind: string;
  readonly options: O;
  readonly rule?: Rule | undefined;
  load(): Promise<{ makeCutOver(wiring: CutOverWiring<Values<O>>): CutOver }>;
}

/** Ties the types of the tables to what is made from them. */
export const defineProvider = <const E extends OptionTable, const O extends OptionTable>(
  descriptor: ProviderDescriptor<E, O>,
): ProviderDescriptor<E, O> => descriptor;

export const defineStorage = <P, const O extends OptionTable>(descriptor: StorageDescriptor<P, O>): StorageDescriptor<P, O> => descriptor;

export const defineNotifier = <const O extends OptionTable>(descriptor: NotifierDescriptor<O>): NotifierDescriptor<O> => descriptor;

export const defineQueue = (descriptor: QueueDescriptor): QueueDescriptor => descriptor;

export const defineCutOver = <const O extends OptionTable>(descriptor: CutOverDescriptor<O>): CutOverDescriptor<O> => descriptor;

/** What a configuration can name. */
export interface Descriptors {
  readonly providers: readonly ProviderDescriptor[];
  readonly storages: readonly StorageDescriptor[];
  readonly notifiers: readonly NotifierDescriptor[];
  readonly queues: readonly QueueDescriptor[];
  readonly cutOvers: readonly CutOverDescriptor[];
}
