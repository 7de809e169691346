// Standard output and error as the commands see them.
import { LifeboatError } from "../core/errors.ts";
import { harmless } from "../core/visible.ts";

export interface Output {
  /** What kept it from being written, once something has; a reader that went away does not count. */
  readonly failure?: LifeboatError | undefined;
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
}

/**
 * A stream of the process. A reader that went away (`lifeboat list | head`) is not an error: what follows is dropped, and the
 * command ends with its own status. What cannot be written for another reason is dropped too, and is a `failure`.
 */
export function outputOf(stream: NodeJS.WriteStream): Output {
  let gone = false;
  let failure: LifeboatError | undefined;
  stream.on("error", (cause: NodeJS.ErrnoException) => {
    gone = true;
    if (cause.code === "EPIPE") return;
    failure ??= new LifeboatError("OUTPUT_FAILED", `the output could not be written: ${REASONS[cause.code ?? ""] ?? cause.message}`);
  });
  return {
    write(text) {
      if (!gone && text !== "") stream.write(text);
    },
    get failure() {
      return failure;
    },
    get isTerminal() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "no space is left",
  EDQUOT: "the disk quota is used up",
  EFBIG: "the file would be larger than is allowed",
  EIO: "the device failed",
};

/** The same output for text that others had a hand in. */
export function harmlessOutput(output: Output): Output {
  return {
    write: (text) => output.write(harmless(text)),
    get isTerminal() {
      return output.isTerminal;
    },
    get columns() {
      return output.columns;
    },
  };
}

/** Resolves when everything written so far has left the process, or can no longer; its failure is known by then. */
export function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => void setImmediate(resolve);
    if (stream.destroyed || stream.writableEnded) done();
    else stream.write("", done);
  });
}
