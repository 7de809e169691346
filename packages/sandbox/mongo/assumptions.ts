// Where the emulated MongoDB server differs from a real one on purpose, and what it assumes.
// One table: `lifeboat sandbox --assumptions` prints it. In doubt, the choice is the one that is harder on a client.

const NO_PLANNER = "there is no planner here: everything is found by looking";

export const ASSUMPTIONS = [
  { about: "storage", here: "in memory; gone when the process ends", because: "it is for tests and for trying things out" },
  {
    about: "members",
    here: "one, always the primary; no election, nothing is ever rolled back",
    because: "failover is not what is tried here",
  },
  { about: "read and write concerns", here: "majority and local are the same", because: "there is one member" },
  {
    about: "the past",
    here: "every version of every document is kept; snapshot reads reach back historyMs, by default 300 s",
    because: "the real window is minSnapshotHistoryWindowInSeconds",
  },
  {
    about: "dropped and renamed collections in a snapshot read",
    here: "are read as they were",
    because: "older servers refuse with SnapshotUnavailable",
  },
  {
    about: "a read without a snapshot",
    here: "sees what was written before its next batch",
    because: "so does a real one: it does not read a snapshot",
  },
  {
    about: "the log of a server that took over another's state",
    here: "begins anew with one entry; a client that tails it is told that its position is lost",
    because: "what is known of a restore in place is only that older positions cannot be read",
  },
  {
    about: "updates in the log",
    here: "the whole document; a difference only when the server is started so",
    because: "both are legal; a real server writes whichever is smaller",
  },
  {
    about: "an insert of many documents in the log",
    here: "one entry each",
    because: "newer servers may put several into one applyOps; transactions do so here too",
  },
  { about: "documents that leave a capped collection", here: "are not in the log", because: "each member of a set removes them by itself" },
  { about: "indexes", here: "kept word for word; only unique ones are used", because: NO_PLANNER },
  { about: "explain, hint", here: "always a collection scan; a hint is not looked at", because: NO_PLANNER },
  {
    about: "time series",
    here: "buckets of version 1, never compressed, one open per meta value",
    because: "real ones compress a bucket when it is closed",
  },
  { about: "deleting and updating measurements of a time series", here: "refused", because: "it would need to rewrite buckets" },
  { about: "documents past their expiry", here: "stay, unless the server is told to look", because: "a real one looks every minute" },
  {
    about: "collations",
    here: "unique indexes of strength 1 and 2 ignore case; queries do not",
    because: "a whole collation is not worth its weight here",
  },
  {
    about: "pipelines and expressions",
    here: "computed by mingo over plain numbers: a computed value may come back as another number type",
    because: "stages that only choose and order documents keep the bytes",
  },
  { about: "geospatial and text queries, change streams, server-side scripts", here: "refused", because: "nothing here needs them" },
  { about: "sizes", here: "plain bytes; an index counts 4096", because: "nothing is compressed" },
  { about: "users", here: "those it was started with, with every right", because: "roles are not what is tried here" },
  {
    about: "field names that look like array positions",
    here: "an update may put them first",
    because: "that is how objects order them in this language",
  },
];
