// Error answers in the API's form. Codes that no current document confirms are in assumptions.ts.

const REASONS: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  409: "Conflict",
  410: "Gone",
  413: "Payload Too Large",
  415: "Unsupported Media Type",
  429: "Too Many Requests",
  500: "Internal Server Error",
  503: "Service Unavailable",
};

/** An answer that is an error. `parameters` are those of the detail, in its order. */
export class AtlasApiError extends Error {
  readonly status: number;
  readonly errorCode: string;
  readonly parameters: readonly unknown[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    status: number,
    errorCode: string,
    detail: string,
    parameters: readonly unknown[] = [],
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.status = status;
    this.errorCode = errorCode;
    this.parameters = parameters;
    this.headers = headers;
  }

  body(): object {
    return {
      detail: this.message,
      error: this.status,
      errorCode: this.errorCode,
      parameters: this.parameters,
      reason: REASONS[this.status] ?? "Error",
    };
  }
}

export const refused = (code: string, detail: string, ...parameters: unknown[]): AtlasApiError =>
  new AtlasApiError(400, code, detail, parameters);
export const missing = (code: string, detail: string, ...parameters: unknown[]): AtlasApiError =>
  new AtlasApiError(404, code, detail, parameters);
export const conflict = (code: string, detail: string, ...parameters: unknown[]): AtlasApiError =>
  new AtlasApiError(409, code, detail, parameters);
export const invalidAttribute = (name: string): AtlasApiError => refused("INVALID_ATTRIBUTE", `Invalid attribute ${name} specified.`, name);
export const missingAttribute = (name: string): AtlasApiError =>
  refused("MISSING_ATTRIBUTE", `The required attribute ${name} was not specified.`, name);
