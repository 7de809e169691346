// Translates failures of Neon and of the network into LifeboatErrors. Neon's `code` may be empty, so status and message count too.
import { type ErrorCode, type ErrorOptions, LifeboatError } from "../../../core/errors.ts";
import { type Failure, isUnknownHost, neverArrived, type Service } from "../../http/call.ts";

/** Codes of limits, by their names for users; others are named from the code itself. */
const LIMITS: Readonly<Record<string, string>> = {
  BRANCHES: "branches",
  ROOT_BRANCHES: "root branches",
  BRANCHES_PROTECTED: "protected branches",
  SNAPSHOTS: "snapshots",
  PROJECTS: "projects",
  ENDPOINTS: "computes",
  ACTIVE_ENDPOINTS: "active computes",
  ROLES: "roles",
  DATABASES: "databases",
};

const LIMIT_CODE = /\b([A-Z_]+)_LIMIT_EXCEEDED\b/;
const OVER_PLAN = /exceeds allowed maximum.*?max:\s*"?(\d+)"?/is;
/** Neon's words for "try again": documented as safe to repeat. */
const NOT_READY = /not ready yet|conflicting operations|transitive state|still ongoing/i;

export const SERVICE: Service = {
  hadNoEffect: (failure) =>
    neverArrived(failure) || [423, 429, 503].includes(failure.status ?? 0) || (failure.status === 422 && NOT_READY.test(failure.message)),
  passes: (failure) =>
    failure.status === undefined || failure.status >= 500 || failure.status < 300 || failure.status === 408 || SERVICE.hadNoEffect(failure),
  isBusy: ({ status }) => status === 423 || status === 429 || status === 422,
};

/** `doing` completes "Neon would not …": `create the branch x`. The message holds no secret: `redact` sees to it. */
export function translateFailure(failure: Failure, doing: string, redact: (text: string) => string): LifeboatError {
  const [code, message, options] = describe({ ...failure, message: redact(failure.message) }, doing);
  const { status, code: neonCode } = failure;
  const details = {
    ...(status === undefined ? {} : { status }),
    ...(neonCode ? { neonCode } : {}),
    ...options?.details,
  };
  return new LifeboatError(code, message, { ...options, details });
}

type Described = readonly [ErrorCode, string, ErrorOptions?];

function describe(failure: Failure, doing: string): Described {
  const { status, code = "", message } = failure;
  if (isUnknownHost(failure)) {
    const hint = "check apiHost of the source (or the variable NEON_API_HOST), and that this machine can look names up";
    return ["PROVIDER_UNREACHABLE", `the host of Neon's API is not known, when asked to ${doing}: ${message}`, { hint }];
  }
  if (status === undefined) return ["PROVIDER_UNREACHABLE", `Neon did not answer when asked to ${doing}: ${message}`];
  const said = `Neon would not ${doing}: ${message}${code && !message.includes(code) ? ` (${code})` : ""}`;
  if (status === 401) return ["PROVIDER_AUTH", `Neon does not accept the API key, when asked to ${doing}`];
  if (status === 403) return ["PROVIDER_AUTH", `the API key has no right to ${doing}: ${message}`];
  const overPlan = OVER_PLAN.exec(message);
  if (overPlan !== null) {
    return [
      "PROVIDER_LIMIT",
      `${said}: the plan allows ${overPlan[1]} seconds`,
      { details: { limit: "history window", max: Number(overPlan[1]) } },
    ];
  }
  const limit = limitIn(code) ?? limitIn(message);
  if (limit !== undefined) return ["PROVIDER_LIMIT", `${said}; the limit of ${limit} is reached`, { details: { limit } }];
  if (/COMPUTE_TIME_EXCEEDED/.test(`${code} ${message}`)) {
    return ["PROVIDER_LIMIT", `${said}; the compute time of the plan is used up`, { details: { limit: "compute time" } }];
  }
  if (status === 404) return ["PROVIDER_NOT_FOUND", `Neon knows nothing of it, when asked to ${doing}: ${message}`];
  if (status === 429) return ["PROVIDER_BUSY", `Neon takes no more requests for now, when asked to ${doing}: ${message}`];
  if (status === 423 || (status === 422 && SERVICE.hadNoEffect(failure)))
    return ["PROVIDER_BUSY", `Neon was too busy to ${doing}: ${message}`];
  if (status >= 500 || status < 400) return ["PROVIDER_FAILED", `Neon failed to ${doing}: ${message}`];
  return ["PROVIDER_REFUSED", said];
}

function limitIn(text: string): string | undefined {
  const match = LIMIT_CODE.exec(text);
  if (match?.[1] === undefined) return undefined;
  return LIMITS[match[1]] ?? match[1].toLowerCase().replaceAll("_", " ");
}
