// From a request to its answer: signature, faults, dispatch, and errors in S3's words.
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer, ServerContext } from "./context.ts";
import { S3Error } from "./errors.ts";
import { applyBefore, type Fault, type Faults, type makeFaults, type Operation } from "./faults.ts";
import { listObjects, listUploads } from "./listing.ts";
import { abortUpload, completeUpload, createUpload, listParts, uploadPart, uploadPartCopy } from "./multipart.ts";
import { copyObject, deleteObject, getObject, headObject, putObject, restoreObject } from "./objects.ts";
import { type S3Request, understand } from "./request.ts";
import { type Credentials, checkSignature } from "./signature.ts";
import { xmlDocument } from "./xml.ts";

const MAX_XML_BYTES = 4 * 1024 * 1024;

const ACTIONS: Readonly<Record<Operation, (server: ServerContext, request: S3Request, payloadHash: string) => Answer | Promise<Answer>>> = {
  AbortMultipartUpload: abortUpload,
  CompleteMultipartUpload: async (server, request) => completeUpload(server, request, await xmlOf(request)),
  CopyObject: copyObject,
  CreateMultipartUpload: createUpload,
  DeleteObject: deleteObject,
  GetObject: getObject,
  HeadBucket: () => ({ status: 200, headers: {} }),
  HeadObject: headObject,
  ListMultipartUploads: listUploads,
  ListObjectsV2: listObjects,
  ListParts: listParts,
  PutObject: putObject,
  RestoreObject: async (server, request) => restoreObject(server, request, await xmlOf(request)),
  UploadPart: uploadPart,
  UploadPartCopy: uploadPartCopy,
};

export async function serve(
  server: ServerContext,
  faults: ReturnType<typeof makeFaults>,
  credentials: Credentials,
  raw: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    response.setHeader("date", new Date(server.now()).toUTCString());
    const request = understand(raw);
    const effect = faults.take(request.operation);
    if (!(await applyBefore(effect, response))) return;
    const payloadHash = checkSignature(raw, credentials, server.now());
    if (request.bucket !== server.bucket) throw new S3Error(404, "NoSuchBucket", "The specified bucket does not exist");
    refuseChecksums(request, payloadHash, server.faults.refuseChecksums);
    const answer = await ACTIONS[request.operation](server, request, payloadHash);
    if (effect?.kind === "dropAfter") {
      response.socket?.destroy();
      return;
    }
    await send(answer, response, raw.method === "HEAD", effect);
  } catch (error) {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    await send(errorAnswer(error, raw), response, raw.method === "HEAD", undefined);
    raw.resume(); // lets the client finish what it is sending, so that it reads the answer
  }
}

async function send(answer: Answer, response: ServerResponse, bodiless: boolean, effect: Fault["effect"] | undefined): Promise<void> {
  const headers: Record<string, string> = { "x-amz-request-id": "sandbox", ...answer.headers };
  if (answer.xml !== undefined) headers["content-type"] = "application/xml";
  if (answer.xml !== undefined && !bodiless) headers["content-length"] = String(Buffer.byteLength(answer.xml));
  response.writeHead(answer.status, headers);
  if (bodiless || answer.body === undefined) {
    response.end(bodiless ? undefined : answer.xml);
    return;
  }
  let left = effect?.kind === "cutAnswer" ? effect.afterBytes : Number.POSITIVE_INFINITY;
  for await (const chunk of answer.body) {
    if (response.destroyed) return;
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    if (!response.write(piece)) await drained(response);
    if (left > 0 || effect?.kind !== "cutAnswer") continue;
    if (effect.ending === "stall") return; // forever: the client must notice
    await sleep(20); // lets what was written leave
    response.destroy();
    return;
  }
  response.end();
}

/** Resolves once more may be written, or the reader is gone. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

function errorAnswer(error: unknown, raw: IncomingMessage): Answer {
  const fault =
    error instanceof S3Error ? error : new S3Error(500, "InternalError", error instanceof Error ? error.message : String(error));
  const xml = xmlDocument("Error", { Code: fault.code, Message: fault.message, Resource: raw.url?.split("?")[0], RequestId: "sandbox" });
  return { status: fault.status, headers: fault.headers, xml };
}

function refuseChecksums(request: S3Request, payloadHash: string, refusal: Faults["refuseChecksums"]): void {
  if (refusal === false) return;
  const names = Object.keys(request.raw.headers);
  if (
    payloadHash.endsWith("-TRAILER") ||
    names.some((name) => name.startsWith("x-amz-checksum-") || name === "x-amz-sdk-checksum-algorithm" || name === "x-amz-trailer")
  ) {
    throw new S3Error(refusal.status, refusal.code, "A header you provided implies functionality that is not implemented");
  }
}

async function xmlOf(request: S3Request): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.raw as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_XML_BYTES) throw new S3Error(400, "MaxMessageLengthExceeded", "Your request was too large.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
