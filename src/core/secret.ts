// Values of the configuration that are read when a command needs them, and not before.

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

  read(): string {
    return this.#read();
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
