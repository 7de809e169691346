// Values of the configuration that are read when a command needs them, and not before.
import { isLifeboatError, LifeboatError } from "./errors.ts";

/** Reading throws SECRET_MISSING or SECRET_EXPOSED where the value cannot be had. */
export interface Late<T> {
  read(): T;
}

const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/** A text that is never printed: as a string, as JSON and in a debugger it only says where it comes from. */
export class Secret implements Late<string> {
  /** A variable, a file, or the place in the configuration. */
  readonly origin: string;
  readonly #read: () => string;

  constructor(origin: string, read: () => string) {
    this.origin = origin;
    this.#read = read;
  }

  static of(value: string, origin = "the program"): Secret {
    return new Secret(origin, () => value);
  }

  /** One that cannot be had: reading it throws this. */
  static absent(origin: string, why: () => Error): Secret {
    return new AbsentSecret(origin, () => {
      throw why();
    });
  }

  read(): string {
    return this.#read();
  }

  /** Reads it as what it stands for. A CONFIG_INVALID then says where the text comes from. */
  as<T>(meaning: (text: string) => T): T {
    try {
      return meaning(this.read());
    } catch (error) {
      if (!isLifeboatError(error, "CONFIG_INVALID")) throw error;
      const { hint, details, cause } = error;
      throw new LifeboatError("CONFIG_INVALID", `${this.origin}: ${error.message}`, { hint, details, cause });
    }
  }

  /** The text where it can be had. */
  known(): string | undefined {
    try {
      return this.read();
    } catch {
      return undefined;
    }
  }

  toString(): string {
    return `[secret from ${this.origin}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [INSPECT](): string {
    return this.toString();
  }
}

/** Known to be absent without making the error that says so: a configuration may have thousands. */
class AbsentSecret extends Secret {
  override known(): undefined {
    return undefined;
  }
}
