// Options of a time series, and of the collection of buckets behind it.
import { type Document, Int32 } from "bson";

const SPANS: Readonly<Record<string, number>> = { seconds: 3600, minutes: 86_400, hours: 2_592_000 };

/** Options with what the server fills in. */
export function seriesOptions(options: Document): Document {
  const { timeseries, ...rest } = options;
  const custom = timeseries.bucketMaxSpanSeconds !== undefined;
  const granularity = timeseries.granularity ?? (custom ? undefined : "seconds");
  const span = timeseries.bucketMaxSpanSeconds ?? new Int32(SPANS[granularity] ?? 3600);
  const { bucketMaxSpanSeconds: _span, granularity: _granularity, ...fields } = timeseries;
  return { ...rest, timeseries: { ...fields, ...(granularity === undefined ? {} : { granularity }), bucketMaxSpanSeconds: span } };
}

/** Options of `system.buckets.X`, as the server makes them. */
export function bucketOptions(series: Document): Document {
  const { timeseries, ...rest } = series;
  const properties = {
    _id: { bsonType: "objectId" },
    control: {
      bsonType: "object",
      required: ["version", "min", "max"],
      properties: {
        version: { bsonType: "number" },
        min: { bsonType: "object", required: [timeseries.timeField], properties: { [timeseries.timeField]: { bsonType: "date" } } },
        max: { bsonType: "object", required: [timeseries.timeField], properties: { [timeseries.timeField]: { bsonType: "date" } } },
        closed: { bsonType: "bool" },
        count: { bsonType: "number", minimum: 1 },
      },
      additionalProperties: false,
    },
    data: { bsonType: "object" },
    meta: {},
  };
  return {
    ...rest,
    validator: { $jsonSchema: { bsonType: "object", required: ["_id", "control", "data"], properties, additionalProperties: false } },
    clusteredIndex: true,
    timeseries,
  };
}
