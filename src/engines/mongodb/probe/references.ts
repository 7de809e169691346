// Fields that refer to other databases, read as text: numbers, strings, object ids and UUIDs.
import { Binary, Decimal128, Long, ObjectId, UUID } from "mongodb";
import { LifeboatError } from "../../../core/errors.ts";
import type { Connection } from "../../../ports/connection.ts";
import type { ReferenceReader } from "../../../ports/references.ts";
import { openMongo, withMongo } from "../connect/connect.ts";
import { databaseOf } from "../connect/url.ts";

const BATCH = 1_000;

export const references: ReferenceReader = {
  async *values(connection, path, { signal } = {}) {
    const { database, collection, field, name } = placeOf(connection, path);
    const session = await openMongo(connection, { signal });
    try {
      const collections = session.client.db(database).collection(collection);
      const cursor = collections.find({ [name]: { $ne: null } }, { projection: { [name]: 1 }, batchSize: BATCH });
      let batch = new Set<string>();
      for await (const document of cursor) {
        for (const text of textsIn(document, field)) batch.add(text);
        if (batch.size < BATCH) continue;
        yield [...batch];
        batch = new Set();
      }
      if (batch.size > 0) yield [...batch];
    } catch (error) {
      throw session.translate(error);
    } finally {
      await session.close();
    }
  },

  async present(connection, path, values, { signal } = {}) {
    const { database, collection, field, name } = placeOf(connection, path);
    return withMongo(connection, { signal }, async ({ client }) => {
      const found = await client
        .db(database)
        .collection(collection)
        .find({ [name]: { $in: values.flatMap(candidates) } }, { projection: { [name]: 1 } })
        .toArray();
      const wanted = new Set(values);
      return new Set(found.flatMap((document) => textsIn(document, field)).filter((text) => wanted.has(text)));
    });
  },
};

/** An address without a database is of the whole server: the path begins with the database then. */
function placeOf(connection: Connection, path: readonly string[]) {
  const own = databaseOf(connection);
  const [database = "", collection = "", ...field] = own === undefined ? path : [own, ...path];
  if (field.length === 0) throw new LifeboatError("TABLE_UNKNOWN", `${path.join(".")} names no field of a collection`);
  return { database, collection, field, name: field.join(".") };
}

/** The values at the path, within arrays too. */
function textsIn(value: unknown, path: readonly string[]): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => textsIn(one, path));
  const [key, ...rest] = path;
  if (key !== undefined) return typeof value === "object" && value !== null ? textsIn(Reflect.get(value, key), rest) : [];
  const text = textOf(value);
  return text === undefined ? [] : [text];
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (value instanceof ObjectId) return value.toHexString();
  if (value instanceof Long || value instanceof Decimal128) return value.toString();
  if (value instanceof Binary && value.sub_type === Binary.SUBTYPE_UUID) return value.toUUID().toHexString();
  return undefined;
}

/** What a text may stand for. */
function candidates(text: string): unknown[] {
  return [
    text,
    ...(/^-?\d{1,15}$/.test(text) ? [Number(text)] : []),
    ...(/^-?\d{16,19}$/.test(text) ? [Long.fromString(text)] : []),
    ...(/^[0-9a-f]{24}$/.test(text) ? [new ObjectId(text)] : []),
    ...(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? [new UUID(text)] : []),
  ];
}
