// `validate`: what is kept in memory is whole.
import { type Document, Int32 } from "bson";
import { type Call, collectionOf, type Handlers } from "../call.ts";
import { fullName } from "../catalog.ts";
import { MongoFault } from "../errors.ts";
import { int } from "../pipeline.ts";
import { collectionStats } from "../stats.ts";

function validate(call: Call): Document {
  const { store, db } = call;
  const name = collectionOf(call);
  const namespace = store.find(db, name);
  if (namespace === undefined) throw new MongoFault(26, `Collection '${fullName(db, name)}' does not exist to validate.`);
  if (namespace.kind === "view") throw new MongoFault(166, "Cannot validate a view");
  const { count, nindexes, indexSizes } = collectionStats(store, db, name);
  const indexes = Object.keys(indexSizes);
  return {
    ns: fullName(db, name),
    nInvalidDocuments: new Int32(0),
    nNonCompliantDocuments: new Int32(0),
    nrecords: int(count),
    nIndexes: int(nindexes),
    keysPerIndex: Object.fromEntries(indexes.map((index) => [index, int(count)])),
    indexDetails: Object.fromEntries(indexes.map((index) => [index, { valid: true }])),
    valid: true,
    repaired: false,
    readOnly: false,
    warnings: [],
    errors: [],
    extraIndexEntries: [],
    missingIndexEntries: [],
    corruptRecords: [],
  };
}

export const VALIDATING: Handlers = { validate };
