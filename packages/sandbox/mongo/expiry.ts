// What TTL indexes delete. https://www.mongodb.com/docs/manual/core/index-ttl/
import { definitionOf } from "./catalog.ts";
import { compileFilter } from "./match.ts";
import { reach } from "./paths.ts";
import { typedOf } from "./raw.ts";
import type { Store } from "./store.ts";
import { toNumber } from "./values.ts";
import { removeDocument } from "./writes.ts";

/** Deletes every document that is due now; returns how many. */
export function deleteExpired(store: Store): number {
  const now = store.clock().getTime();
  let deleted = 0;
  for (const namespace of store.catalog.at()) {
    const due = definitionOf(namespace).indexes.filter((spec) => spec.expireAfterSeconds !== undefined);
    for (const spec of due) {
      const field = (Object.keys(spec.key)[0] as string).split(".");
      const partial = compileFilter(spec.partialFilterExpression);
      const latest = now - toNumber(spec.expireAfterSeconds) * 1000;
      for (const slot of [...(namespace.records?.slots ?? [])]) {
        if (slot.head.length === 0) continue;
        const document = typedOf(slot.head);
        const dates = reach(document, field)
          .flat()
          .filter((value) => value instanceof Date);
        if (!dates.some((date) => date.getTime() <= latest) || (partial !== undefined && !partial(document))) continue;
        removeDocument(store, namespace, slot);
        deleted++;
      }
    }
  }
  return deleted;
}
