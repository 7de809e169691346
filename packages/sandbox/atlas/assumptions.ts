// What the emulator assumes where the real service's behaviour is not documented, and where it differs on purpose.
// One table: `lifeboat sandbox --assumptions` prints it. In doubt, the choice is the one that is harder on a client.

const OLD_LIST = "the code is from an older published list and was not seen this year";
const UNPUBLISHED = "not published";
const NO_CODE = "refused according to the documentation; the code is not published";

export const ASSUMPTIONS = [
  // who asks, and how
  {
    about: "no versioned Accept header",
    here: "406 INVALID_VERSION_DATE",
    because: "users report the status 406; the code is not published",
  },
  { about: "a body without a versioned Content-Type", here: "415 UNSUPPORTED_MEDIA_TYPE", because: UNPUBLISHED },
  {
    about: "versions older than the newest form of an endpoint",
    here: "clusters, schedules and processes as Atlas's command line still asks for them; else 410 VERSION_GONE, although the real one still answers some",
    because: "what else is asked for in an old form is not known; the answer's form is as users report it",
  },
  { about: "a bearer token that is unknown or expired", here: "401 UNAUTHORIZED", because: "the code is not published" },
  {
    about: "an address that may not use the API",
    here: "403 IP_ADDRESS_NOT_ON_ACCESS_LIST",
    because: "older lists say WHITELIST in its place",
  },
  {
    about: "the project's access list",
    here: "listed, expired, but connections to the data are not refused by it",
    because: "everything is on loopback",
  },
  { about: "roles of keys and accounts", here: "every key may do everything", because: "ask for a fault (403) where a test needs it" },
  { about: "age of a digest nonce", here: "five minutes, then stale=true; a count that does not rise is stale too", because: UNPUBLISHED },
  {
    about: "rate limits",
    here: "capacity 10000, backup and Flex 1200, events 300, full again after a minute",
    because: "capacities were recorded; refill and what belongs to a set are not published",
  },
  { about: "unknown settings in a body", here: "400 INVALID_ATTRIBUTE", because: "a misspelt setting must not seem to be made" },
  // clusters
  { about: "sharded and global clusters", here: "400 INVALID_CLUSTER_CONFIGURATION", because: "one server stands for a cluster" },
  {
    about: "names with the same first 23 characters",
    here: "400 DUPLICATE_CLUSTER_NAME",
    because: "the rule is documented; the code is that of equal names",
  },
  { about: "first 23 characters that end with a hyphen", here: "400 CLUSTER_NAME_PREFIX_INVALID", because: OLD_LIST },
  { about: "pitEnabled without backupEnabled", here: "400 CONTINUOUS_BACKUP_REQUIRES_CLOUD_BACKUP", because: NO_CODE },
  { about: "backup of a free cluster", here: "400 TENANT_CLUSTER_UPDATE_UNSUPPORTED", because: NO_CODE },
  { about: "a cluster whose creation fails", here: "it vanishes: 404", because: "there is no state for it" },
  {
    about: "changing a cluster that is being created",
    here: "409 CLUSTER_BEING_CREATED",
    because: "not published; so clients must wait for IDLE",
  },
  {
    about: "changing a paused cluster",
    here: "409 CANNOT_UPDATE_PAUSED_CLUSTER unless the body is paused: false alone",
    because: OLD_LIST,
  },
  {
    about: "deleting a cluster that is being restored to",
    here: "goes; the job fails",
    because: "only changes are said to be refused meanwhile",
  },
  { about: "a change that changes nothing", here: "200, and the state stays IDLE", because: UNPUBLISHED },
  {
    about: "connection strings",
    here: "standard only: an address of loopback, without TLS",
    because: "names and certificates need the world",
  },
  {
    about: "version of MongoDB",
    here: "what is said is shown; the server is the sandbox's own",
    because: "there is no real server",
  },
  { about: "disk sizes, IOPS", here: "as published for AWS, for all providers", because: "they decide nothing here but whether data fits" },
  { about: "autoscaling, analytics and read-only nodes", here: "kept and shown", because: "one server stands for a cluster" },
  // schedule and snapshots
  {
    about: "when backup is turned on, and when continuous backup is",
    here: "a first snapshot is begun at once, for the first item of the policy",
    because: "that one follows soon is known, not when",
  },
  {
    about: "comparing retentions of different units",
    here: "a month is the twelfth part of a year of 365 days",
    because: "the recorded default policy must be valid",
  },
  {
    about: "restoreWindowDays where the policy has no hourly item",
    here: "any number of days",
    because: "the rule speaks of the hourly retention only",
  },
  {
    about: "several items that are due at once",
    here: "one snapshot, named for the rarest and kept for the longest",
    because: UNPUBLISHED,
  },
  { about: "yearly items", here: "due on the first of the month", because: "the day is not published" },
  { about: "scheduled snapshots of a paused cluster, or one that is being restored", here: "left out", because: UNPUBLISHED },
  { about: "order of snapshots, jobs and events in lists", here: "newest first", because: UNPUBLISHED },
  {
    about: "instants in answers",
    here: "cut to seconds; a snapshot holds all that was done before its exact instant",
    because: "answers show no fractions",
  },
  { about: "a snapshot's size", here: "bytes of its documents", because: "storage formats differ" },
  {
    about: "unfinished, in-progress and unknown snapshots",
    here: "400 UNFINISHED_ON_DEMAND_SNAPSHOT, 400 CANNOT_DELETE_IN_PROGRESS_SNAPSHOT, 404 SNAPSHOT_NOT_FOUND",
    because: OLD_LIST,
  },
  { about: "backups where backup is off", here: "400 BACKUP_JOB_NOT_FOUND; the schedule 404 BACKUP_CONFIG_NOT_FOUND", because: OLD_LIST },
  { about: "copies in other regions", here: "settings are kept; nothing is copied", because: "no part of restoring" },
  // restores
  {
    about: "the data of a point in time",
    here: "pointInTimeUTCSeconds: everything before that second; oplogTs with oplogInc: through that operation",
    because: "the first is documented for Ops Manager, the second by the words of the fields",
  },
  {
    about: "the latest point that can be reached",
    here: "the present second; a lag can be set",
    because: "the API shows no edge, and the real lag varies",
  },
  {
    about: "a point outside the window",
    here: "400 INVALID_PIT_RESTORE_TIME; 404 UNABLE_T0_FIND_SNAPSHOT_PRIOR_TO_PIT_RESTORE_OPTIME where no snapshot lies before it",
    because: `${OLD_LIST}; which one comes when is not known`,
  },
  {
    about: "points before a restore onto the same cluster",
    here: "can still be reached; points after it once a new snapshot is completed",
    because: "that there is a gap is documented",
  },
  { about: "stateName of a target", here: "UPDATING until the restore has ended", because: UNPUBLISHED },
  {
    about: "a target during a restore",
    here: "connections are dropped, its log begins anew, it is another process afterwards",
    because: "that it is unavailable is documented",
  },
  { about: "a restore that fails", here: "failed and finishedAt are set; the target is empty", because: "its data was removed first" },
  {
    about: "a target that is too small or too old",
    here: "403 CANNOT_RESTORE_TO_TARGET; what counts is the disk, not the tier",
    because: `the rule is documented; ${OLD_LIST}`,
  },
  { about: "a target that is not IDLE", here: "409 CLUSTER_NOT_IDLE", because: UNPUBLISHED },
  { about: "restoring between projects", here: "404 GROUP_NOT_FOUND", because: "the account has one project" },
  {
    about: "a download",
    here: "a tar of mongodump's directory form; gone after an hour with 403",
    because: "there, it holds the files of the storage engine",
  },
  {
    about: "users, roles, search indexes",
    here: "users belong to the project and survive; the rest is not there",
    because: "no part of the data",
  },
  // collections, exports
  {
    about: "restoring collections onto names that exist, with CREATE_NEW",
    here: "the collection is FAILED, and so is the job; others stay restored",
    because: UNPUBLISHED,
  },
  {
    about: "views, time series and missing collections in such a job",
    here: "UNSUPPORTED, NOT_FOUND, and the job FAILED",
    because: "there is an event for partial success, but no state",
  },
  {
    about: "values of the types undefined and DBPointer in such a job",
    here: "come back as null and DBRef",
    because: "they are written by a driver that has no others",
  },
  {
    about: "a second restore of collections onto one cluster",
    here: "409 ATLAS_CLUSTER_RESTORE_IN_PROGRESS",
    because: "one at a time is documented",
  },
  {
    about: "an export",
    here: "{prefix}/{database}/{collection}/{replica set}.0.json.gz and metadata.json, then .complete; canonical extended JSON",
    because: "the parts are documented, but not their exact form",
  },
  { about: "export buckets", here: "a directory; access is not checked with any provider", because: "there is no cloud provider" },
  // policy, encryption, Flex
  {
    about: "no Backup Compliance Policy",
    here: "200 with every field null",
    because: UNPUBLISHED,
  },
  {
    about: "what a Backup Compliance Policy refuses",
    here: "400 with codes that begin with BACKUP_COMPLIANCE_POLICY",
    because: NO_CODE,
  },
  {
    about: "turning a Backup Compliance Policy on",
    here: "turns backup on for every dedicated cluster and raises their schedules",
    because: "documented in words only",
  },
  { about: "keys of the customer's", here: "valid as soon as they are set", because: "there is no cloud provider" },
  {
    about: "Flex snapshots",
    here: "daily from a day after creation, eight kept",
    because: "one page says two are kept; recordings show eight",
  },
  { about: "alerts", here: "kept and shown; none is sent", because: "no part of backups" },
  {
    about: "how long everything takes",
    here: "as recorded in August 2026, divided by the speed that was asked for",
    because: "the real times vary",
  },
];
