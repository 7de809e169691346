// What S3, the SDK and the network say, in our words. Neither credentials nor signatures get into messages or causes.
import { type ErrorCode, LifeboatError } from "../../core/errors.ts";

interface SdkError extends Error {
  readonly code?: unknown;
  readonly Code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>>; readonly statusCode?: number };
}

/** What a failed request comes down to. */
export interface Failure {
  /** S3's code, an errno, or the SDK's error name. */
  readonly code: string;
  readonly status: number | undefined;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { code: "Unknown", status: undefined, message: String(error), retryAfterMs: undefined };
  const sdk = error as SdkError;
  const inner = error.cause instanceof Error ? (error.cause as SdkError) : undefined;
  const errno = [sdk.code, inner?.code, sdk.Code].find((code) => typeof code === "string" && code !== "");
  const retryAfter = Number(sdk.$response?.headers?.["retry-after"]);
  return {
    code: typeof errno === "string" ? errno : error.name,
    status: sdk.$metadata?.httpStatusCode ?? sdk.$response?.statusCode,
    message: error.message,
    retryAfterMs: Number.isFinite(retryAfter) ? retryAfter * 1000 : undefined,
  };
}

const BY_CODE: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  NoSuchBucket: ["STORAGE_NOT_FOUND", "there is no such bucket"],
  PermanentRedirect: ["STORAGE_NOT_FOUND", "the bucket is in another region"],
  AuthorizationHeaderMalformed: ["STORAGE_NOT_FOUND", "the bucket is in another region"],
  NoSuchKey: ["OBJECT_MISSING", "there is no such object"],
  InvalidObjectState: ["OBJECT_ARCHIVED", "it is in an archive class and must be restored first"],
  PreconditionFailed: ["STORAGE_CONFLICT", "another writer was first"],
  ConditionalRequestConflict: ["STORAGE_CONFLICT", "another writer is writing it"],
  InsufficientStorage: ["STORAGE_FULL", "the storage is full"],
  QuotaExceeded: ["STORAGE_FULL", "the quota is used up"],
  XMinioStorageFull: ["STORAGE_FULL", "the storage is full"],
  ExceededQuota: ["STORAGE_FULL", "the quota is used up"],
  CredentialsProviderError: ["STORAGE_AUTH", "no credentials were found"],
  RequestTimeTooSkewed: ["STORAGE_AUTH", "this machine's clock differs from the server's"],
  TimeoutError: ["STORAGE_TIMEOUT", "it did not answer in time"],
  RequestTimeout: ["STORAGE_TIMEOUT", "it did not get the request in time"],
  ETIMEDOUT: ["STORAGE_TIMEOUT", "it did not answer in time"],
  ECONNREFUSED: ["STORAGE_UNREACHABLE", "the connection was refused"],
  ENOTFOUND: ["STORAGE_UNREACHABLE", "its host name is unknown"],
  EAI_AGAIN: ["STORAGE_UNREACHABLE", "its host name could not be looked up"],
  EHOSTUNREACH: ["STORAGE_UNREACHABLE", "no route to the host"],
  ENETUNREACH: ["STORAGE_UNREACHABLE", "no route to the network"],
  ECONNRESET: ["STORAGE_UNREACHABLE", "the connection broke"],
  EPIPE: ["STORAGE_UNREACHABLE", "the connection broke"],
  ERR_STREAM_PREMATURE_CLOSE: ["STORAGE_UNREACHABLE", "the connection broke"],
  CERT_HAS_EXPIRED: ["STORAGE_UNREACHABLE", "its certificate has expired"],
  DEPTH_ZERO_SELF_SIGNED_CERT: ["STORAGE_UNREACHABLE", "its certificate is not trusted"],
  SELF_SIGNED_CERT_IN_CHAIN: ["STORAGE_UNREACHABLE", "its certificate is not trusted"],
  NotImplemented: ["STORAGE_REFUSED", "it does not implement what was asked"],
};

const BY_STATUS: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  401: ["STORAGE_AUTH", "access denied"],
  403: ["STORAGE_AUTH", "access denied"],
  404: ["OBJECT_MISSING", "there is no such object"],
  409: ["STORAGE_CONFLICT", "another writer is changing it"],
  412: ["STORAGE_CONFLICT", "another writer was first"],
  501: ["STORAGE_REFUSED", "it does not implement what was asked"],
  507: ["STORAGE_FULL", "the storage is full"],
};

/** `doing`: `writing a/b to s3://bucket/prefix`. */
export function translatedS3(error: unknown, doing: string): LifeboatError {
  if (error instanceof LifeboatError) return error;
  const failure = failureOf(error);
  const { status } = failure;
  if (/region is missing/i.test(failure.message)) {
    return new LifeboatError("CONFIG_INVALID", "the storage's URL names no region: add ?region=…, or set AWS_REGION", {
      cause: bare(failure),
    });
  }
  const known = BY_CODE[failure.code] ?? (status === undefined ? undefined : BY_STATUS[status]);
  const refused = status !== undefined && status >= 400 && status < 500;
  const [code, words] = known ?? [refused ? "STORAGE_REFUSED" : "STORAGE_FAILED", "it failed"];
  const detail = status === undefined ? failure.code : `${status} ${failure.code}`;
  const said = known === undefined || (refused && code !== "OBJECT_MISSING") ? `: ${oneLine(failure.message)}` : "";
  return new LifeboatError(code, `${doing}: ${words} (${detail}${said})`, {
    cause: bare(failure),
    details: { s3Code: failure.code, ...(status === undefined ? {} : { status }) },
  });
}

/** Whether the same request may fare better on another try. */
export function isPassing({ code, status }: Failure): boolean {
  // The answer said what time it is: the next try is signed with that.
  if (code === "RequestTimeTooSkewed") return true;
  if (["SlowDown", "RequestTimeout", "ThrottlingException", "Throttling", "TooManyRequests", "ConditionalRequestConflict"].includes(code))
    return true;
  if (status !== undefined && status >= 300)
    return status === 429 || status === 408 || (status >= 500 && ![501, 505, 507].includes(status));
  const broken = ["ECONNRESET", "EPIPE", "ECONNREFUSED", "ECONNABORTED", "ETIMEDOUT", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH"];
  return isSilence({ code }) || broken.includes(code) || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_SSL_BAD_RECORD_TYPE";
}

export function isSilence({ code }: Pick<Failure, "code">): boolean {
  return code === "TimeoutError";
}

/** Only what may be shown: an SDK error also carries signatures, key ids and the whole request. */
function bare(failure: Failure): Error {
  return Object.assign(new Error(oneLine(failure.message)), { name: failure.code });
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim().slice(0, 300);
}
