// S3's error answers.

/** An answer that is an error, with S3's code and status. */
export class S3Error extends Error {
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

export const noSuchKey = (): S3Error => new S3Error(404, "NoSuchKey", "The specified key does not exist.");
export const noSuchUpload = (): S3Error => new S3Error(404, "NoSuchUpload", "The specified multipart upload does not exist.");
export const invalidArgument = (message: string): S3Error => new S3Error(400, "InvalidArgument", message);
export const preconditionFailed = (condition: string): S3Error =>
  new S3Error(412, "PreconditionFailed", `At least one of the pre-conditions you specified did not hold: ${condition}`);
