// The one place that knows the AWS SDK: typed calls, each with a deadline, retries, and errors in our words.
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type * as Aws from "@aws-sdk/client-s3";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  PutObjectCommand,
  RestoreObjectCommand,
  S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from "@aws-sdk/client-s3";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { LifeboatError } from "../../core/errors.ts";
import { cancellation, pause, throwIfCancelled } from "../deadline.ts";
import { type Failure, failureOf, isPassing, isSilence, translatedS3 } from "./errors.ts";
import type { S3StorageOptions } from "./options.ts";

interface Calls {
  abortMultipartUpload: [Aws.AbortMultipartUploadCommandInput, Aws.AbortMultipartUploadCommandOutput];
  completeMultipartUpload: [Aws.CompleteMultipartUploadCommandInput, Aws.CompleteMultipartUploadCommandOutput];
  copyObject: [Aws.CopyObjectCommandInput, Aws.CopyObjectCommandOutput];
  createMultipartUpload: [Aws.CreateMultipartUploadCommandInput, Aws.CreateMultipartUploadCommandOutput];
  deleteObject: [Aws.DeleteObjectCommandInput, Aws.DeleteObjectCommandOutput];
  getObject: [Aws.GetObjectCommandInput, Aws.GetObjectCommandOutput];
  headObject: [Aws.HeadObjectCommandInput, Aws.HeadObjectCommandOutput];
  listMultipartUploads: [Aws.ListMultipartUploadsCommandInput, Aws.ListMultipartUploadsCommandOutput];
  listObjects: [Aws.ListObjectsV2CommandInput, Aws.ListObjectsV2CommandOutput];
  listParts: [Aws.ListPartsCommandInput, Aws.ListPartsCommandOutput];
  putObject: [Aws.PutObjectCommandInput, Aws.PutObjectCommandOutput];
  restoreObject: [Aws.RestoreObjectCommandInput, Aws.RestoreObjectCommandOutput];
  uploadPart: [Aws.UploadPartCommandInput, Aws.UploadPartCommandOutput];
  uploadPartCopy: [Aws.UploadPartCopyCommandInput, Aws.UploadPartCopyCommandOutput];
}

type Call = keyof Calls;
type Input<C extends Call> = Omit<Calls[C][0], "Bucket">;
type Output<C extends Call> = Calls[C][1];

const COMMANDS: Readonly<Record<Call, unknown>> = {
  abortMultipartUpload: AbortMultipartUploadCommand,
  completeMultipartUpload: CompleteMultipartUploadCommand,
  copyObject: CopyObjectCommand,
  createMultipartUpload: CreateMultipartUploadCommand,
  deleteObject: DeleteObjectCommand,
  getObject: GetObjectCommand,
  headObject: HeadObjectCommand,
  listMultipartUploads: ListMultipartUploadsCommand,
  listObjects: ListObjectsV2Command,
  listParts: ListPartsCommand,
  putObject: PutObjectCommand,
  restoreObject: RestoreObjectCommand,
  uploadPart: UploadPartCommand,
  uploadPartCopy: UploadPartCopyCommand,
};

/** Calls whose refusal may mean that the server does not know S3's newer checksums. */
const CHECKSUMMED: readonly Call[] = ["putObject", "uploadPart", "createMultipartUpload", "completeMultipartUpload"];
/** Calls that carry a checksum of a body: only these prove that the server takes them. */
const PROVING: readonly Call[] = ["putObject", "uploadPart"];
const CHECKSUM_REFUSALS = [
  "NotImplemented",
  "InvalidRequest",
  "InvalidArgument",
  "XAmzContentSHA256Mismatch",
  "SignatureDoesNotMatch",
  "BadDigest",
];

/** The SDK would write to the console what it also throws. */
const silent = (): void => undefined;
const SILENT_LOGGER = { debug: silent, info: silent, warn: silent, error: silent };

const SLOWEST_BYTES_PER_SECOND = 64 * 1024;
const LONGEST_PAUSE_MS = 20_000;

export interface CallContext {
  /** For messages: `writing a/b`. */
  readonly doing: string;
  readonly signal?: AbortSignal | undefined;
  /** How long a request continues after the signal: a commit cut off in the middle may or may not have been done. */
  readonly graceMs?: number;
  /** Bytes of the body, for the deadline. */
  readonly sizeBytes?: number;
  /** Tries, where fewer than usual make sense. */
  readonly attempts?: number;
}

export interface S3Caller {
  readonly url: string;
  readonly bucket: string;
  /** `input` is asked for every try, with whether checksums in the newer form may be sent. Throws LifeboatError. */
  call<C extends Call>(name: C, input: (checksums: boolean) => Input<C>, context: CallContext): Promise<Output<C>>;
  /** By the server's clock, as its last answer told it; undefined: it has told nothing yet. */
  serverTime(): Date | undefined;
  /** False once the server has refused S3's newer checksums. */
  takesChecksums(): boolean;
  close(): void;
}

export function openCaller(options: S3StorageOptions, url: string): S3Caller {
  const idleMs = options.requestTimeoutMs ?? 30_000;
  const agent = { keepAlive: true, maxSockets: 32 };
  const handler = new NodeHttpHandler({
    connectionTimeout: Math.min(idleMs, 10_000),
    socketTimeout: idleMs,
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent(agent),
  });
  // Every answer says what time it is at the server (RFC 9110, section 6.6.1).
  let serverAheadMs: number | undefined;
  const handle = handler.handle.bind(handler);
  handler.handle = async (...request) => {
    const answer = await handle(...request);
    const servedMs = Date.parse(answer.response.headers.date ?? "");
    if (!Number.isNaN(servedMs)) serverAheadMs = servedMs - Date.now();
    return answer;
  };
  const region = options.region ?? (options.endpoint === undefined ? undefined : "us-east-1");
  const { credentials } = options;
  const clientWith = (requestChecksumCalculation: "WHEN_SUPPORTED" | "WHEN_REQUIRED"): S3Client =>
    new S3Client({
      logger: SILENT_LOGGER,
      maxAttempts: 1, // retries are ours: they know deadlines, signals and what a lost answer means
      requestHandler: handler,
      requestChecksumCalculation,
      responseChecksumValidation: "WHEN_REQUIRED", // every byte we read back is checked against our own digests
      followRegionRedirects: true,
      ...(region === undefined ? {} : { region }),
      ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
      ...(options.forcePathStyle === undefined ? {} : { forcePathStyle: options.forcePathStyle }),
      ...(credentials === undefined
        ? {}
        : {
            credentials: {
              accessKeyId: credentials.accessKeyId,
              secretAccessKey: credentials.secretAccessKey,
              ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken }),
            },
          }),
    });

  let client = clientWith("WHEN_SUPPORTED");
  /** `untried` until the server has taken or refused the newer checksums; then settled for this instance. */
  let checksums: "untried" | "taken" | "refused" = "untried";

  const send = async <C extends Call>(by: S3Client, name: C, input: Input<C>, context: CallContext): Promise<Output<C>> => {
    const Command = COMMANDS[name] as new (input: unknown) => Parameters<S3Client["send"]>[0];
    const deadlineMs = idleMs * 4 + ((context.sizeBytes ?? 0) / SLOWEST_BYTES_PER_SECOND) * 1000;
    const stop = new AbortController();
    const end = (): void => stop.abort();
    const timers = [setTimeout(end, deadlineMs)];
    const onAbort = (): void => {
      if (context.graceMs === undefined) end();
      else timers.push(setTimeout(end, context.graceMs));
    };
    context.signal?.addEventListener("abort", onAbort, { once: true });
    try {
      const output = await by.send(new Command({ Bucket: options.bucket, ...input }), { abortSignal: stop.signal });
      return output as unknown as Output<C>;
    } catch (error) {
      if (context.signal?.aborted && stop.signal.aborted) throw cancellation(context.signal);
      if (stop.signal.aborted) throw Object.assign(new Error(`no answer within ${deadlineMs} ms`), { name: "TimeoutError" });
      throw error;
    } finally {
      for (const timer of timers) clearTimeout(timer);
      context.signal?.removeEventListener("abort", onAbort);
    }
  };

  /** One try; the first refusal that may be about checksums is tried again without them, and what then works stays. */
  const attempt = async <C extends Call>(name: C, input: (checksums: boolean) => Input<C>, context: CallContext): Promise<Output<C>> => {
    const modern = checksums !== "refused";
    try {
      const output = await send(client, name, input(modern), context);
      if (modern && checksums === "untried" && PROVING.includes(name)) checksums = "taken";
      return output;
    } catch (error) {
      if (!modern || checksums === "taken" || !CHECKSUMMED.includes(name) || !mayBeAboutChecksums(failureOf(error))) throw error;
      const plain = clientWith("WHEN_REQUIRED");
      let output: Output<C>;
      try {
        output = await send(plain, name, input(false), context);
      } catch {
        throw error; // it was not about checksums: the first cause counts
      }
      checksums = "refused";
      client = plain;
      return output;
    }
  };

  return {
    url,
    bucket: options.bucket,
    async call(name, input, context) {
      const attempts = context.attempts ?? options.attempts ?? 5;
      for (let tried = 1; ; tried++) {
        throwIfCancelled(context.signal);
        try {
          return await attempt(name, input, context);
        } catch (error) {
          if (error instanceof LifeboatError) throw error;
          const failure = failureOf(error);
          if (tried >= (isSilence(failure) ? Math.min(attempts, 2) : attempts) || !isPassing(failure)) {
            throw translatedS3(error, `${context.doing} in ${url}`);
          }
          const backoffMs = (options.backoffMs ?? 200) * 2 ** (tried - 1) * (0.5 + Math.random());
          await pause(Math.min(Math.max(backoffMs, failure.retryAfterMs ?? 0), LONGEST_PAUSE_MS), context.signal);
        }
      }
    },
    serverTime: () => (serverAheadMs === undefined ? undefined : new Date(Date.now() + serverAheadMs)),
    takesChecksums: () => checksums !== "refused",
    close() {
      client.destroy();
      handler.destroy();
    },
  };
}

function mayBeAboutChecksums({ code, status }: Failure): boolean {
  return status === 501 || CHECKSUM_REFUSALS.includes(code);
}
