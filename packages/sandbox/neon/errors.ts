// Error answers in the API's form. Undocumented statuses and messages are in assumptions.ts.

/** An answer that is an error. `code` may be the empty string, as the real one's often is. */
export class NeonApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

export const invalid = (message: string): NeonApiError => new NeonApiError(400, "", message);
export const notFound = (what: string): NeonApiError => new NeonApiError(404, "", `${what} not found`);
export const refused = (message: string, code = ""): NeonApiError => new NeonApiError(422, code, message);
export const limitReached = (code: string, message: string): NeonApiError => new NeonApiError(422, code, message);

export const locked = (): NeonApiError =>
  new NeonApiError(423, "", "project already has running conflicting operations, scheduling of new ones is prohibited");
