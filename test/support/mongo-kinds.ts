// A collection of every kind and an index of every kind that a server keeps, each with documents that its rules let in, and some
// that were there before the rules.
import { type Db, type Document, type IndexDescription, Int32 } from "mongodb";
import { document, elementsOf, insertRaw } from "./mongo-raw.ts";

const DAY_MS = 86_400_000;
/** What has to expire does so long after any test. */
const LATER = new Date("2199-01-01T00:00:00Z");

const rows = (count: number, row: (i: number) => Document): Document[] => Array.from({ length: count }, (_, i) => ({ _id: i, ...row(i) }));

/** Fills one database with one collection of each kind; gives the number of documents that are to be found in each. */
export const KINDS: Readonly<Record<string, (db: Db) => Promise<Readonly<Record<string, number>>>>> = {
  async plain(db) {
    await db.collection<Document>("plain").insertMany(rows(200, (i) => ({ n: i, text: `row ${i}`, tags: [`t${i % 3}`, "all"] })));
    return { plain: 200 };
  },

  async empty(db) {
    await db.createCollection("empty");
    await db.createCollection("empty with index");
    await db.collection("empty with index").createIndex({ a: 1 }, { unique: true });
    return { empty: 0, "empty with index": 0 };
  },

  async capped(db) {
    await db.createCollection("capped by size", { capped: true, size: 65_536 });
    await db.createCollection("capped by count", { capped: true, size: 1_048_576, max: 5 });
    await db.collection<Document>("capped by size").insertMany(rows(10, (i) => ({ i })));
    // Ten go in, the first five fall out; what stays is in the order of insertion, not of `_id`.
    await db.collection<Document>("capped by count").insertMany(rows(10, (i) => ({ i })).reverse());
    return { "capped by size": 10, "capped by count": 5 };
  },

  async validated(db) {
    const validator = {
      $jsonSchema: {
        bsonType: "object",
        required: ["name", "price"],
        properties: { name: { bsonType: "string", minLength: 1 }, price: { bsonType: ["decimal", "int"], minimum: 0 } },
      },
    };
    await db.createCollection("validated", { validator });
    await db.createCollection("validated loosely", {
      validator: { $expr: { $gt: ["$price", 0] } },
      validationLevel: "moderate",
      validationAction: "warn",
    });
    await db.collection<Document>("validated").insertMany(rows(5, (i) => ({ name: `n${i}`, price: i })));
    await insertRaw(db, "validated", [document(elementsOf({ _id: "before the rules", name: 1 }))], { bypass: true });
    await db.collection<Document>("validated loosely").insertMany(rows(5, (i) => ({ price: new Int32(i - 2) })));
    return { validated: 6, "validated loosely": 5 };
  },

  async collated(db) {
    await db.createCollection("collated", { collation: { locale: "fr", strength: 2, backwards: true } });
    await db.collection<Document>("collated").insertMany(["cote", "côte", "coté", "Côté"].map((word, i): Document => ({ _id: i, word })));
    await db.collection("collated").createIndexes([
      { key: { word: 1 }, name: "by the collection's" },
      { key: { word: -1 }, name: "by its own", collation: { locale: "en", strength: 1, numericOrdering: true } },
      { key: { word: 1, _id: 1 }, name: "by bytes", collation: { locale: "simple" } },
    ]);
    return { collated: 4 };
  },

  async clustered(db) {
    await db.createCollection("clustered", { clusteredIndex: { key: { _id: 1 }, unique: true, name: "by id" } });
    await db.createCollection("clustered and passing", {
      clusteredIndex: { key: { _id: 1 }, unique: true },
      expireAfterSeconds: 1_500_000_000,
    });
    await db.collection<Document>("clustered").insertMany(rows(20, (i) => ({ i })).reverse());
    await db
      .collection<Document>("clustered and passing")
      .insertMany([1, 2].map((i): Document => ({ _id: new Date(LATER.getTime() + i) })));
    return { clustered: 20, "clustered and passing": 2 };
  },

  async timeSeries(db) {
    await db.createCollection("weather", { timeseries: { timeField: "at", metaField: "station", granularity: "minutes" } });
    await db.createCollection("weather passing", {
      timeseries: { timeField: "at", bucketMaxSpanSeconds: 3600, bucketRoundingSeconds: 3600 },
      expireAfterSeconds: 1_500_000_000,
    });
    const begin = Date.parse("2026-11-01T00:00:00Z");
    const measured = (i: number): Document => ({
      at: new Date(begin + i * 600_000),
      station: { name: `s${i % 3}`, in: ["north", i % 3] },
      temperature: 10 + (i % 7) / 4,
      ...(i % 5 === 0 ? { gusts: [i, i / 2], note: "windy" } : {}),
    });
    await db.collection("weather").insertMany(Array.from({ length: 300 }, (_, i) => measured(i)));
    await db.collection("weather").createIndex({ "station.name": 1, at: -1 }, { name: "by station" });
    await db.collection("weather passing").insertMany([0, 1, 2].map((i) => ({ at: new Date(begin + i * DAY_MS), v: i })));
    return { weather: 300, "weather passing": 3 };
  },

  async views(db) {
    await db.collection<Document>("viewed").insertMany(rows(10, (i) => ({ n: i, name: `Name ${i}` })));
    await db.createCollection("view", { viewOn: "viewed", pipeline: [{ $match: { n: { $gte: 5 } } }, { $project: { name: 1 } }] });
    await db.createCollection("view on a view", { viewOn: "view", pipeline: [{ $limit: 2 }] });
    await db.createCollection("view in a language", { viewOn: "viewed", pipeline: [], collation: { locale: "de", strength: 1 } });
    await db.createCollection("view of nothing", { viewOn: "there is none", pipeline: [{ $match: {} }] });
    return { viewed: 10 };
  },

  async preImages(db) {
    await db.createCollection("with pre-images", { changeStreamPreAndPostImages: { enabled: true } });
    await db.collection<Document>("with pre-images").insertMany(rows(3, (i) => ({ i })));
    return { "with pre-images": 3 };
  },

  async indexed(db) {
    const place = (i: number): Document => ({ type: "Point", coordinates: [i / 10, i / 20] });
    const row = (i: number): Document => ({
      email: `u${i}@example.org`,
      ...(i % 2 === 0 ? { nick: `n${i}` } : {}),
      state: i % 3 === 0 ? "open" : "done",
      number: i,
      until: new Date(LATER.getTime() + i),
      title: `Title ${i}`,
      body: `words of document ${i}`,
      language: i % 2 === 0 ? "french" : "none",
      place: place(i),
      flat: [i % 90, -i % 90],
      key: `k${i}`,
      secret: { level: i % 4 },
      attributes: { colour: "red", sizes: [i, i + 1], [`own${i}`]: true },
      word: i % 2 === 0 ? "été" : "Ete",
      tags: ["a", `t${i}`],
    });
    await db.collection<Document>("indexed").insertMany(rows(40, row));
    await db.collection("indexed").createIndexes(INDEXES);
    await db.collection<Document>("indexed wholly").insertMany(rows(5, row));
    await db
      .collection("indexed wholly")
      .createIndex({ "$**": 1 }, { name: "everything but", wildcardProjection: { secret: 0, "place.type": 0 } });
    return { indexed: 40, "indexed wholly": 5 };
  },
};

const INDEXES: IndexDescription[] = [
  { key: { email: 1 }, name: "email_unique", unique: true },
  { key: { nick: 1 }, name: "nick_sparse", sparse: true, unique: true },
  { key: { number: 1 }, name: "number_partial", unique: true, partialFilterExpression: { state: "open", number: { $gt: 3 } } },
  { key: { until: 1 }, name: "until_ttl", expireAfterSeconds: 3600 },
  { key: { number: -1 }, name: "ttl_partial", expireAfterSeconds: 0, partialFilterExpression: { state: "open" } },
  {
    key: { title: "text", body: "text" },
    name: "words",
    weights: { title: 10, body: 2 },
    default_language: "german",
    language_override: "language",
  },
  { key: { place: "2dsphere", number: 1 }, name: "place_sphere" },
  { key: { flat: "2d" }, name: "flat_2d", bits: 20, min: -100, max: 100 },
  { key: { key: "hashed" }, name: "key_hashed" },
  { key: { "attributes.$**": 1 }, name: "attributes_wildcard" },
  { key: { state: 1, number: -1, "secret.level": 1 }, name: "compound", hidden: true },
  { key: { word: 1 }, name: "word_french", collation: { locale: "fr", strength: 1 } },
  { key: { tags: 1 }, name: "a name with spaces, dots. and ünïcode" },
];

/** Names that something on the way might take for something else. */
export const ODD_NAMES: readonly string[] = [
  "dots.in.the.name",
  "spaces in the name ",
  "日本語-😀",
  "UPPER",
  "upper",
  "percent%2Fslash/and\\back",
  "quote'\"`",
  "new\nline",
  "*?[globs]",
  "system_like",
  "__proto__",
  "constructor",
  `long-${"n".repeat(180)}`,
];
