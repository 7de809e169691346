// One BASE_BACKUP under way: what the server said before the first archive, then archive after archive, then where it ended.
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { Client } from "../connect/client.ts";
import { type BaseCommand, baseBackupCommand, readArchiveStart, readNotice, readRow } from "./command.ts";
import { baseFailure, ServerError } from "./failure.ts";
import { runOnWire, type WireEvent } from "./wire.ts";

interface ServerTablespace {
  readonly oid: string;
  readonly location: string;
}

export interface BackupStart {
  readonly tablespaces: readonly ServerTablespace[];
  /** The server's own estimate of all archives, uncompressed. */
  readonly sizeBytes: number;
}

/** `archive`: of the tablespace at `location`, or, where that is empty, of the data directory. */
export type Section = { readonly kind: "archive"; readonly name: string; readonly location: string } | { readonly kind: "manifest" };

/** Where the archives of a base backup come from, one after another. */
export interface BackupSource {
  /** The next archive or the manifest; its content must have been read to the end. Undefined when all have come. */
  section(): Promise<Section | undefined>;
  /** Bytes of the section under way. */
  content(): AsyncIterable<Uint8Array>;
  /** After the last section: the range of WAL that the backup requires. Only then has the server called it complete. */
  finish(): Promise<WalRange>;
  /** Ends it, on the server too. The signal must be aborted first when bytes are awaited. Safe to call twice. */
  close(): Promise<void>;
}

export interface WalRange {
  readonly startLsn: string;
  readonly endLsn: string;
  readonly timeline: number;
}

const WARNINGS_SHOWN = 3;

/** BASE_BACKUP as servers from 15 on speak it: every archive and the manifest in one stream. */
export class BackupSession implements BackupSource {
  readonly #events: AsyncGenerator<WireEvent, void>;
  readonly #connection: Connection;
  readonly #warnings: string[] = [];
  /** Read, but belonging to what comes next. */
  #waiting: WireEvent | undefined;
  #start: Pick<WalRange, "startLsn" | "timeline"> = { startLsn: "", timeline: 0 };

  constructor(client: Client, command: BaseCommand, signal: AbortSignal) {
    this.#connection = client.connection;
    this.#events = runOnWire(client, baseBackupCommand(command), signal);
  }

  /** Until the first archive. A refusal of the command is thrown as `baseFailure` makes it; its cause is a ServerError. */
  async start(): Promise<BackupStart> {
    const rows: (string | undefined)[][] = [];
    for (let event = await this.#next(); event.kind !== "message" || event.type !== "H"; event = await this.#next()) {
      if (event.kind === "message" && event.type === "D") rows.push(readRow(event.body));
    }
    const [[startLsn = "", timeline] = [], ...spaces] = rows;
    const tablespaces = spaces.flatMap(([oid, location]) => (oid === undefined ? [] : [{ oid, location: location ?? "" }]));
    const sizeBytes = spaces.reduce((sum, [, , kib]) => sum + Number(kib ?? 0) * 1024, 0);
    this.#start = { startLsn, timeline: Number(timeline) };
    return { tablespaces, sizeBytes };
  }

  async section(): Promise<Section | undefined> {
    for (;;) {
      const event = await this.#next();
      if (event.kind === "content") throw new LifeboatError("BUG", "an archive of a base backup was not read to its end");
      if (event.kind === "copy" && event.type === "n") return { kind: "archive", ...readArchiveStart(event.body) };
      if (event.kind === "copy" && event.type === "m") return { kind: "manifest" };
      if (event.kind === "message" && event.type === "c") return undefined;
    }
  }

  async *content(): AsyncGenerator<Uint8Array, void> {
    for (;;) {
      const event = await this.#next();
      if (event.kind === "content") yield event.bytes;
      else if (event.kind !== "copy" || event.type !== "p") {
        this.#waiting = event;
        return;
      }
    }
  }

  async finish(): Promise<WalRange> {
    let row: (string | undefined)[] | undefined;
    for (let event = await this.#next(); event.kind !== "message" || event.type !== "Z"; event = await this.#next()) {
      if (event.kind === "message" && event.type === "D") row ??= readRow(event.body);
    }
    const [endLsn] = row ?? [];
    if (endLsn === undefined)
      throw new LifeboatError("DUMP_INCOMPLETE", `${this.#connection.label} did not say where the base backup ended`);
    return { ...this.#start, endLsn };
  }

  async close(): Promise<void> {
    await this.#events.return();
  }

  async #next(): Promise<WireEvent> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) return waiting;
    for (;;) {
      const { value: event } = await this.#events.next();
      if (event === undefined) throw new LifeboatError("DUMP_INCOMPLETE", `the base backup of ${this.#connection.label} was cut off`);
      if (event.kind !== "message") return event;
      if (event.type === "E") throw baseFailure(new ServerError(readNotice(event.body)), this.#connection, this.#warnings);
      if (event.type !== "N") return event;
      const { S: severity, M: message } = readNotice(event.body);
      if (severity === "WARNING" && message !== undefined && this.#warnings.length < WARNINGS_SHOWN) this.#warnings.push(message);
    }
  }
}
