// Errors as the server answers them. https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml
import type { Document } from "bson";

const NAMES: Readonly<Record<number, string>> = {
  1: "InternalError",
  2: "BadValue",
  4: "NoSuchKey",
  9: "FailedToParse",
  11: "UserNotFound",
  13: "Unauthorized",
  14: "TypeMismatch",
  15: "Overflow",
  17: "ProtocolError",
  18: "AuthenticationFailed",
  20: "IllegalOperation",
  26: "NamespaceNotFound",
  27: "IndexNotFound",
  28: "PathNotViable",
  40: "ConflictingUpdateOperators",
  43: "CursorNotFound",
  48: "NamespaceExists",
  50: "MaxTimeMSExpired",
  59: "CommandNotFound",
  66: "ImmutableField",
  67: "CannotCreateIndex",
  68: "IndexAlreadyExists",
  72: "InvalidOptions",
  73: "InvalidNamespace",
  76: "NoReplicationEnabled",
  85: "IndexOptionsConflict",
  86: "IndexKeySpecsConflict",
  91: "ShutdownInProgress",
  94: "NotYetInitialized",
  112: "WriteConflict",
  115: "CommandNotSupported",
  121: "DocumentValidationFailure",
  125: "CommandFailed",
  136: "CappedPositionLost",
  166: "CommandNotSupportedOnView",
  167: "OptionNotSupportedOnView",
  175: "QueryPlanKilled",
  189: "PrimarySteppedDown",
  197: "InvalidIndexSpecificationOption",
  224: "QueryFeatureNotAllowed",
  225: "TransactionTooOld",
  238: "NotImplemented",
  239: "SnapshotTooOld",
  246: "SnapshotUnavailable",
  251: "NoSuchTransaction",
  256: "TransactionCommitted",
  263: "OperationNotSupportedInTransaction",
  286: "ChangeStreamHistoryLost",
  292: "QueryExceededMemoryLimitNoDiskUseAllowed",
  334: "MechanismUnavailable",
  10003: "CannotGrowDocumentInCappedNamespace",
  10107: "NotWritablePrimary",
  10334: "BSONObjectTooLarge",
  11000: "DuplicateKey",
  13297: "DatabaseDifferCase",
  11600: "InterruptedAtShutdown",
  11601: "Interrupted",
};

export const codeName = (code: number): string => NAMES[code] ?? `Location${code}`;

/** A refusal: becomes `{ok: 0, errmsg, code, codeName}` of the whole command, or a write error of one statement. */
export class CommandError extends Error {
  readonly code: number;
  readonly codeName: string;
  /** Further fields of the answer: `keyPattern`, `keyValue`, `errInfo`, `errorLabels`. */
  readonly fields: Document;

  constructor(code: number, message: string, fields: Document = {}) {
    super(message);
    this.code = code;
    this.codeName = codeName(code);
    this.fields = fields;
  }
}

/** The command's answer when it failed. */
export function faultReply(error: unknown): Document {
  if (error instanceof CommandError) return { ok: 0, errmsg: error.message, code: error.code, codeName: error.codeName, ...error.fields };
  const message = error instanceof Error ? error.message : String(error);
  return { ok: 0, errmsg: message, code: 8, codeName: "UnknownError" };
}
