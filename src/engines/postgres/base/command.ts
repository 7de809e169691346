// The BASE_BACKUP command, as servers from 15 on read it, and the rows it answers with.
import { quotePlain } from "../connect/quote.ts";

export interface BaseCommand {
  /** Shows in the backup's label file and in the server's progress view. */
  readonly label: string;
  /** The server compresses each archive as one zstd frame; absent: plain archives. */
  readonly compression?: { readonly level: number } | undefined;
  readonly checksums: string;
}

export function baseBackupCommand(command: BaseCommand): string {
  const { label, compression, checksums } = command;
  const options = [
    `LABEL ${quotePlain(label)}`,
    "PROGRESS",
    "CHECKPOINT 'fast'",
    // The log of the backup itself comes along, so nothing needs to wait until the server has archived it elsewhere.
    "WAL",
    "WAIT false",
    "TABLESPACE_MAP",
    "TARGET 'client'",
    "MANIFEST 'yes'",
    `MANIFEST_CHECKSUMS ${quotePlain(checksums)}`,
    ...(compression === undefined ? [] : ["COMPRESSION 'zstd'", `COMPRESSION_DETAIL ${quotePlain(`level=${compression.level}`)}`]),
  ];
  return `BASE_BACKUP (${options.join(", ")})`;
}

/** Fields of a DataRow message, as text. */
export function readRow(body: Buffer): (string | undefined)[] {
  const fields: (string | undefined)[] = [];
  let at = 2;
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at);
    at += 4;
    fields.push(length < 0 ? undefined : body.toString("utf8", at, at + length));
    at += Math.max(0, length);
  }
  return fields;
}

/** Severity, SQLSTATE, message and the like of an ErrorResponse or NoticeResponse, by the letter of the field. */
export function readNotice(body: Buffer): Readonly<Record<string, string>> {
  const fields: Record<string, string> = {};
  for (const field of body.toString("utf8").split("\0")) if (field !== "") fields[field.slice(0, 1)] = field.slice(1);
  return fields;
}

/** The two texts of the message that begins an archive: its file name, and its tablespace's location (empty for the data directory). */
export function readArchiveStart(body: Buffer): { readonly name: string; readonly location: string } {
  const [name = "", location = ""] = body.toString("utf8", 1).split("\0");
  return { name, location };
}
