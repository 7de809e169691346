// The one place that calls mingo, which computes expressions and the stages of pipelines over plain values.
import type { Document } from "bson";
import { Aggregator, find, Query } from "mingo";
import { CommandError } from "./errors.ts";

/** Collections that stages such as `$lookup` ask for, by name. */
export type Resolver = (name: string) => Document[];

export function queryTest(filter: Document): (document: Document) => boolean {
  try {
    const query = new Query(filter, {});
    return (document) => query.test(document);
  } catch (error) {
    throw new CommandError(2, error instanceof Error ? error.message : String(error));
  }
}

/** A document through a projection of `find`. */
export function projectOne(document: Document, projection: Document): Document {
  try {
    return find<Document>([document], {}, projection).all()[0] ?? {};
  } catch (error) {
    throw new CommandError(2, error instanceof Error ? error.message : String(error));
  }
}

/** The documents after the stages. What mingo refuses: BadValue in its words. */
export function runStages(
  documents: Document[],
  stages: Document[],
  options: { readonly resolve?: Resolver; readonly variables?: Document } = {},
): Document[] {
  try {
    const aggregator = new Aggregator(stages, {
      ...(options.resolve === undefined ? {} : { collectionResolver: options.resolve }),
      ...(options.variables === undefined ? {} : { variables: options.variables }),
    });
    return aggregator.run(documents);
  } catch (error) {
    if (error instanceof CommandError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    const stage = /unregistered pipeline operator (\$\w+)/i.exec(message)?.[1];
    if (stage !== undefined) throw new CommandError(40324, `Unrecognized pipeline stage name: '${stage}'`);
    throw new CommandError(2, message);
  }
}
