// The library. docs/library.md shows each of these with an example; anything else may change.
export { type Config, loadConfig, parseConfig } from "./config/load.ts";
export { ERROR_CODES, type ErrorCode, EXIT, isLifeboatError, LifeboatError } from "./core/errors.ts";
export type { Fingerprint, Omission } from "./core/fingerprint.ts";
export { ID_RANDOM_BYTES, makeId } from "./core/ids.ts";
export type { BackupKind, Manifest, ManifestPart } from "./core/manifest.ts";
export { parseRecoveryTarget, type RecoveryTarget } from "./core/recovery-target.ts";
export type { RestorePoint } from "./core/restore-point.ts";
export { type Expiry, expire as decideExpiry, type RetentionPolicy } from "./core/retention.ts";
export { type Check, judge, type Verdict } from "./core/verdict.ts";
export {
  type CallOptions,
  type Lifeboat,
  type OpenOptions,
  type OperationName,
  openLifeboat,
  type PlanOf,
  type RequestOf,
  type ResultOf,
} from "./lifeboat.ts";
export type { Operation } from "./operations/operation.ts";
export { OPERATIONS } from "./operations/registry.ts";
export type { Clock } from "./ports/clock.ts";
export type { Engine } from "./ports/engine.ts";
export type { Events, JobEvent } from "./ports/progress.ts";
export type { Provider } from "./ports/provider.ts";
export type { Storage } from "./ports/storage.ts";
export { systemClock } from "./system-clock.ts";
