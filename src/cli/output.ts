// Standard output and error as the commands see them.
import { harmless } from "../core/visible.ts";

export interface Output {
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width of the terminal; 80 where there is none. */
  readonly columns: number;
}

/**
 * A stream of the process. A reader that went away (`lifeboat list | head`) is no error: what follows is dropped, and the
 * command ends with its own status.
 */
export function outputOf(stream: NodeJS.WriteStream): Output {
  let gone = false;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    gone = true;
  });
  return {
    write(text) {
      if (!gone && text !== "") stream.write(text);
    },
    get isTerminal() {
      return stream.isTTY === true;
    },
    get columns() {
      return stream.columns ?? 80;
    },
  };
}

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

/** Resolves when everything written so far has left the process, or cannot any more. */
export function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableEnded) resolve();
    else stream.write("", () => resolve());
  });
}
