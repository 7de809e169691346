// Errors after which a load continued: a few of each collection in full, the rest as a number.

const NAMED = 3;

export class Problems {
  readonly #messages: string[] = [];
  readonly #refused = new Map<string, { count: number; readonly messages: string[] }>();

  add(message: string): void {
    this.#messages.push(message);
  }

  /** Documents of a collection that the server refused. */
  refused(collection: string, count: number, message: string): void {
    const known = this.#refused.get(collection) ?? { count: 0, messages: [] };
    known.count += count;
    if (known.messages.length < NAMED) known.messages.push(message);
    this.#refused.set(collection, known);
  }

  list(): string[] {
    const refused = [...this.#refused].map(
      ([collection, { count, messages }]) => `${count} documents of ${collection} were refused: ${messages.join("; ")}`,
    );
    return [...this.#messages, ...refused];
  }
}
