// What the emulator assumes where the real service's behaviour is not documented, and where it differs on purpose.
// One table: `lifeboat sandbox --assumptions` prints it. In doubt, the choice is the one that is harder on a client.

const UNKNOWN = "refused according to the documentation; status and words are not published";

export const ASSUMPTIONS = [
  { about: "a point outside of the history window", here: "400, code empty, with the window's beginning", because: UNKNOWN },
  { about: "a point of a project whose history is off", here: "422", because: UNKNOWN },
  {
    about: "an LSN older than the window, but in the branch",
    here: "accepted",
    because: "how LSNs are held against the window is not published",
  },
  {
    about: "a branch name that is taken",
    here: "409 BRANCH_ALREADY_EXISTS",
    because: "the words are known, the status from one public test only",
  },
  { about: "a snapshot name or slug that is taken", here: "409", because: "names are unique in a project; the answer is not published" },
  { about: "removing a protected, default or first root branch, or one with children", here: "422", because: UNKNOWN },
  { about: "removing what was removed before", here: "204", because: "204 is declared beside 200 without saying when" },
  {
    about: "one branch, root branch or protected branch too many",
    here: "422 with the code of the limit",
    because: "codes are known; the status only for branches",
  },
  { about: "one snapshot too many", here: "422 SNAPSHOTS_LIMIT_EXCEEDED", because: "not published" },
  { about: "a snapshot or schedule of a branch that has a parent, a schedule on the free plan", here: "422", because: UNKNOWN },
  { about: "a protected branch, a default branch or one with children that shall expire", here: "422", because: UNKNOWN },
  {
    about: "fractions of a second in expires_at",
    here: "cut off",
    because: "the precision is a second; what happens to more is not published",
  },
  {
    about: "a point in time of a branch that came from a snapshot",
    here: "422, for a restore and for a new branch alike",
    because: "the words are known for restores; the status and the end of this state are not",
  },
  {
    about: "branch id after a restore",
    here: "new, but the same after a reset from the parent that keeps nothing",
    because: "stated for restores of snapshots; a reset has a time of its own in the branch's fields",
  },
  {
    about: "a root restored from another branch without a name to keep",
    here: "keeps {name}_old_{time}",
    because: "the reference says nothing is kept, the guide says it is",
  },
  {
    about: "parent of a root branch after a restore",
    here: "none: it is a root again",
    because: "the API knows an operation that detaches it",
  },
  { about: "history of a restored branch", here: "begins at the restore", because: "not published" },
  {
    about: "who is the undeletable first root after a restore",
    here: "after a restore of itself or from a snapshot the new branch, after one from another branch the old",
    because: "only the latter is said to be undeletable",
  },
  {
    about: "passwords after a restore in place",
    here: "those of before the restore, for roles that existed then",
    because: "the connection string is said to stay the same",
  },
  { about: "snapshots of a branch that is removed", here: "go with it", because: "not published: do not count on either" },
  {
    about: "name of a branch restored from a snapshot in one step",
    here: "the target's; the name in the request is not used",
    because: "finalizing renames the restored branch",
  },
  { about: "finalizing when both branches have a compute that writes", here: "422", because: "not published" },
  { about: "resets of children within 24 hours after a finalized restore", here: "422", because: UNKNOWN },
  { about: "a second compute that writes", here: "422", because: UNKNOWN },
  { about: "a timeout for suspending below the plan's", here: "412", because: "known for the free plan" },
  { about: "an open connection", here: "keeps a compute awake", because: "there, an idle one may not" },
  { about: "waking by a connection", here: "makes no operation", because: "there, it may conflict with other work" },
  {
    about: "changes that need no work (a new name, an expiry, the default)",
    here: "no operations, but 423 while others run",
    because: "not published",
  },
  { about: "deleted branches", here: "gone for good", because: "recovering them is a preview" },
  { about: "operations", here: "take the delays that were asked for, one after the other", because: "the real times vary" },
  { about: "databases and roles made by SQL", here: "not listed by the API", because: "there, they are taken over from the compute" },
  {
    about: "host names",
    here: "an address of 127.0.0.0/8, with a port where 5432 is not free",
    because: "a name would have to be resolved",
  },
  { about: "pooled connections", here: "the same as direct ones", because: "there is no pooler here" },
  { about: "read-only computes", here: "can write", because: "they lead to the same server" },
  { about: "connections to a past instant (branch@time)", here: "not there", because: "they need a server of their own" },
  {
    about: "comparing schemas (compare_schema), archiving, anonymizing, auth, storage, functions",
    here: "404",
    because: "no part of protecting a database",
  },
  {
    about: "limits of rate and storage, metering",
    here: "not enforced, nothing is counted",
    because: "ask for a fault (429) where a test needs it",
  },
  { about: "version of PostgreSQL", here: "the one installed", because: "the clusters are real" },
];
