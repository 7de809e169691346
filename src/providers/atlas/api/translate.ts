// Translates failures of Atlas and of the network into LifeboatErrors. Codes of Atlas are many and partly undocumented, so status counts first.
import { type ErrorCode, type ErrorOptions, LifeboatError } from "../../../core/errors.ts";
import { type Failure, isUnknownHost, neverArrived, type Service } from "../../http/call.ts";
import type { Endpoint } from "./endpoints.ts";

/** Something of the cluster is under way: the same request may be taken later. */
const UNDER_WAY =
  /IN_PROGRESS|PENDING_ACTION|UNFINISHED_ON_DEMAND_SNAPSHOT|CANNOT_UPDATE_WHILE|CLUSTER_(?:BUSY|UPDATING|NOT_IDLE)|CONCURRENT/;
const RATE = /^RATE_LIMITED/;
const LIMIT = /(?:^|_)(?:LIMIT|LIMITS|QUOTA|CAPACITY)(?:_|$)|MAX_\w+_(?:EXCEEDED|REACHED)|TOO_MANY|NO_CAPACITY|OUT_OF_CAPACITY|PAYMENT/;
const COMPLIANCE = /COMPLIANCE/;
const NOT_ALLOWED = /USER_UNAUTHORIZED|NOT_IN_GROUP|FORBIDDEN|NO_PERMISSION|NOT_AUTHORIZED|UNAUTHORIZED/;
const ADDRESS = /IP_ADDRESS|ACCESS_LIST|WHITELIST/;

const PROJECT = /^(?:GROUP|PROJECT)_/;
const PROJECT_HINT = "check groupId of this source: the id of the project, 24 digits and letters, as its address in Atlas shows it";

/** By the credential's name. */
const CREDENTIAL_HINTS: Readonly<Record<string, ErrorOptions>> = {
  "service account": {
    hint: "check clientId and clientSecret of the source (ATLAS_CLIENT_ID, ATLAS_CLIENT_SECRET), and that the secret has not ended",
  },
  "API key": { hint: "check publicKey and privateKey of the source (ATLAS_PUBLIC_KEY, ATLAS_PRIVATE_KEY)" },
};

/** That there is no such policy (404) is another matter. */
const isCompliance = ({ status = 0, code = "", message }: Failure): boolean =>
  status >= 400 && status < 500 && status !== 404 && (COMPLIANCE.test(code) || /compliance policy/i.test(message));

const isUnderWay = ({ status, code = "" }: Failure): boolean =>
  (status === 400 || status === 409 || status === 403) &&
  UNDER_WAY.test(code) &&
  !COMPLIANCE.test(code.replace(/_WITH_PENDING_ACTION$/, ""));

export const SERVICE: Service = {
  // A 503 may come from a proxy that had passed the request on.
  hadNoEffect: (failure) => failure.unsent === true || neverArrived(failure) || failure.status === 429 || isUnderWay(failure),
  passes: (failure) =>
    failure.status === undefined ||
    failure.status >= 500 ||
    failure.status < 300 ||
    failure.status === 408 ||
    failure.status === 429 ||
    isUnderWay(failure),
  isBusy: (failure) => failure.status === 429 || isUnderWay(failure),
};

export interface Asked {
  /** Completes "Atlas would not …": `delete the snapshot x`. */
  readonly doing: string;
  readonly endpoint: Endpoint;
  /** `service account` or `API key`. */
  readonly credential: string;
}

/** The message holds no secret: `redact` sees to it. */
export function translateFailure(failure: Failure, asked: Asked, redact: (text: string) => string): LifeboatError {
  const [code, message, options] = describe({ ...failure, message: redact(failure.message) }, asked);
  const { status, code: atlasCode, fields } = failure;
  const details = {
    ...(status === undefined ? {} : { status }),
    ...(atlasCode ? { errorCode: atlasCode } : {}),
    ...(fields !== undefined && fields.length > 0 ? { fields } : {}),
    ...options?.details,
  };
  return new LifeboatError(code, message, { ...options, details });
}

type Described = readonly [ErrorCode, string, ErrorOptions?];

function describe(failure: Failure, { doing, endpoint, credential }: Asked): Described {
  const { status, code = "", message } = failure;
  if (isUnknownHost(failure)) {
    const hint = "check apiHost of the source (or the variable ATLAS_API_HOST), and that this machine can look names up";
    return ["PROVIDER_UNREACHABLE", `the host of Atlas's API is not known, when asked to ${doing}: ${message}`, { hint }];
  }
  if (status === undefined) return ["PROVIDER_UNREACHABLE", `Atlas did not answer when asked to ${doing}: ${message}`];
  const said = `Atlas would not ${doing}: ${message}${code && !message.includes(code) ? ` (${code})` : ""}`;
  const role: ErrorOptions = { hint: `give the ${credential} the role "${endpoint.role}" in the project, then run it again` };
  if (isCompliance(failure) && !isUnderWay(failure)) {
    return [
      "PROVIDER_REFUSED",
      `${said}: the project's Backup Compliance Policy forbids it`,
      { details: { compliance: true }, hint: "nothing is wrong here: the policy keeps it until its retention ends" },
    ];
  }
  if (ADDRESS.test(code)) {
    const hint = `add this machine's address to the API access list of the ${credential} in Atlas, then run it again`;
    return ["PROVIDER_AUTH", `Atlas takes no calls of this ${credential} from this machine's address: ${message}`, { hint }];
  }
  if (RATE.test(code) || status === 429)
    return ["PROVIDER_BUSY", `Atlas takes no more requests for now, when asked to ${doing}: ${message}`];
  if (isUnderWay(failure))
    return ["PROVIDER_BUSY", `Atlas is too busy with this cluster to ${doing}: ${message}${code ? ` (${code})` : ""}`];
  if (status === 401 && !NOT_ALLOWED.test(code.replace(/^UNAUTHORIZED$/, "")))
    return ["PROVIDER_AUTH", `Atlas does not accept the ${credential}, when asked to ${doing}`, CREDENTIAL_HINTS[credential] ?? {}];
  if (status === 401 || (status === 403 && (code === "" || NOT_ALLOWED.test(code))))
    return ["PROVIDER_AUTH", `the ${credential} has no right to ${doing}: ${message}`, role];
  if (status === 402 || LIMIT.test(code)) return ["PROVIDER_LIMIT", said];
  if (status === 404 && PROJECT.test(code))
    return ["PROVIDER_NOT_FOUND", `Atlas has no such project, when asked to ${doing}: ${message}`, { hint: PROJECT_HINT }];
  if (status === 404) return ["PROVIDER_NOT_FOUND", `Atlas knows nothing of it, when asked to ${doing}: ${message}`];
  if (status === 410 || status === 406)
    return ["PROVIDER_REFUSED", said, { hint: "this version of Atlas's API has ended: update Lifeboat" }];
  if (status >= 500 || status < 400) return ["PROVIDER_FAILED", `Atlas failed to ${doing}: ${message}`];
  return ["PROVIDER_REFUSED", said];
}
