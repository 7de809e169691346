// Every operation. The adapters (command line, API, worker, library) list these and load one when it is called.
export const OPERATIONS = {
  check: {
    summary: "Try out configuration, repository, key, tools and sources",
    load: async () => (await import("./verbs/check.ts")).check,
  },
  plan: {
    summary: "Say what differs between the policy and the provider's settings",
    load: async () => (await import("./verbs/settings.ts")).plan,
  },
  apply: {
    summary: "Move the provider's settings towards the policy",
    load: async () => (await import("./verbs/settings.ts")).apply,
  },
  status: {
    summary: "Say whether each source is protected right now",
    load: async () => (await import("./verbs/status.ts")).status,
  },
  schedule: {
    summary: "Say what runs when, and what is due",
    load: async () => (await import("./verbs/schedule.ts")).schedule,
  },
  tick: {
    summary: "Do what is due once, and tell what is wrong",
    load: async () => (await import("./verbs/tick.ts")).tick,
  },
  work: {
    summary: "Take work from the shared queue until stopped",
    load: async () => (await import("./verbs/work.ts")).work,
  },
  workers: {
    summary: "List the workers and what is on the shared queue",
    load: async () => (await import("./verbs/work.ts")).workers,
  },
  "workers release": {
    summary: "Let a parked item of work be tried again",
    load: async () => (await import("./verbs/work.ts")).workersRelease,
  },
  alerts: {
    summary: "List the alerts that are open",
    load: async () => (await import("./verbs/alerts.ts")).alerts,
  },
  list: {
    summary: "List every restore point",
    load: async () => (await import("./verbs/list.ts")).list,
  },
  show: {
    summary: "Show a restore point: what it holds and how to open it by hand",
    load: async () => (await import("./verbs/show.ts")).show,
  },
  preview: {
    summary: "Look at the data of any instant, and query it, without restoring over anything",
    load: async () => (await import("./verbs/preview.ts")).preview,
  },
  compare: {
    summary: "Say what differs between an instant and now, or between two instants",
    load: async () => (await import("./verbs/compare.ts")).compare,
  },
  find: {
    summary: "Find the last instant at which a check held",
    load: async () => (await import("./verbs/find.ts")).find,
  },
  history: {
    summary: "Show one row at every point it can be asked of, and what changed it when",
    load: async () => (await import("./verbs/history.ts")).history,
  },
  backup: {
    summary: "Back up a source: one snapshot, sealed, fingerprinted",
    load: async () => (await import("./verbs/backup.ts")).backup,
  },
  archive: {
    summary: "Store the log of a PostgreSQL or MongoDB as it is written, for point-in-time recovery",
    load: async () => (await import("./verbs/archive.ts")).archive,
  },
  verify: {
    summary: "Read every stored byte of a backup and compare it with its manifest",
    load: async () => (await import("./verbs/verify.ts")).verify,
  },
  drill: {
    summary: "Prove a backup: timed restore into scratch, checked and filed",
    load: async () => (await import("./verbs/drill.ts")).drill,
  },
  drills: {
    summary: "Show the history of drills against the objectives",
    load: async () => (await import("./verbs/drills.ts")).drills,
  },
  checklist: {
    summary: "Fill in the weekly or monthly checklist, each item by a check",
    load: async () => (await import("./verbs/checklist.ts")).checklist,
  },
  export: {
    summary: "Copy a provider's snapshot to a bucket",
    load: async () => (await import("./verbs/export.ts")).exportOperation,
  },
  restore: {
    summary: "Restore into a database, proven before it gets its name",
    load: async () => (await import("./verbs/restore.ts")).restore,
  },
  recover: {
    summary: "Restore every source to one instant, beside production",
    load: async () => (await import("./verbs/recover.ts")).recover,
  },
  promote: {
    summary: "Make a restored branch the production branch",
    load: async () => (await import("./verbs/promote.ts")).promote,
  },
  guard: {
    summary: "Run a migration or deployment with a way back",
    load: async () => (await import("./verbs/guard.ts")).guard,
  },
  cutover: {
    summary: "Point the application at another database, and back when it does not come up",
    load: async () => (await import("./verbs/cutover.ts")).cutover,
  },
  accept: {
    summary: "Say that a restore is good: what it replaced may go, 7 days later",
    load: async () => (await import("./verbs/accept.ts")).accept,
  },
  undo: {
    summary: "Bring back the state before a merge",
    load: async () => (await import("./verbs/undo.ts")).undo,
  },
  forget: {
    summary: "Record rows that were erased on request, so that no restore brings them back",
    load: async () => (await import("./verbs/forget.ts")).forget,
  },
  erasures: {
    summary: "List the erasure ledger",
    load: async () => (await import("./verbs/forget.ts")).erasures,
  },
  "erasures revoke": {
    summary: "Take back an entry of the erasure ledger",
    load: async () => (await import("./verbs/forget.ts")).erasuresRevoke,
  },
  expire: {
    summary: "Apply the retention policy, with a reason for each decision",
    load: async () => (await import("./verbs/expire.ts")).expire,
  },
  hold: {
    summary: "Exempt a restore point from expiry",
    load: async () => (await import("./verbs/hold.ts")).hold,
  },
  release: {
    summary: "End a hold",
    load: async () => (await import("./verbs/hold.ts")).release,
  },
  acknowledge: {
    summary: "Say that what status misses is lost for good, or that a loss is intended",
    load: async () => (await import("./verbs/acknowledge.ts")).acknowledge,
  },
  pause: {
    summary: "Stop the scheduled work of a source for a while",
    load: async () => (await import("./verbs/pause.ts")).pause,
  },
  resume: {
    summary: "End the pause of a source",
    load: async () => (await import("./verbs/pause.ts")).resume,
  },
  jobs: {
    summary: "List the newest jobs",
    load: async () => (await import("./verbs/jobs.ts")).jobs,
  },
  "jobs show": {
    summary: "Tell what jobs were asked, decided and did, in order of time",
    load: async () => (await import("./verbs/jobs.ts")).showJobs,
  },
  "jobs recover": {
    summary: "Clean up after jobs whose process died",
    load: async () => (await import("./verbs/jobs.ts")).recoverJobsOperation,
  },
  audit: {
    summary: "List who did what, when, with which plan",
    load: async () => (await import("./verbs/audit.ts")).audit,
  },
  "audit verify": {
    summary: "Recompute the audit log, and name the first entry that differs",
    load: async () => (await import("./verbs/audit.ts")).auditVerify,
  },
  approvals: {
    summary: "List the plans that wait for approval, and what became of others",
    load: async () => (await import("./verbs/approvals.ts")).approvals,
  },
  "approvals request": {
    summary: "Freeze a plan that changes production, for a second person to approve",
    load: async () => (await import("./verbs/approvals.ts")).approvalsRequest,
  },
  "approvals revoke": {
    summary: "End an approval before it is used",
    load: async () => (await import("./verbs/approvals.ts")).approvalsRevoke,
  },
  approve: {
    summary: "Approve exactly one plan, with the approver's own key",
    load: async () => (await import("./verbs/approve.ts")).approve,
  },
  "notify test": {
    summary: "Send a test message through each notification channel",
    load: async () => (await import("./verbs/notify.ts")).notifyTest,
  },
  "token create": {
    summary: "Make a token for the API, shown once",
    load: async () => (await import("./verbs/token.ts")).tokenCreate,
  },
  "token list": {
    summary: "List the tokens of the API",
    load: async () => (await import("./verbs/token.ts")).tokenList,
  },
  "token revoke": {
    summary: "End a token of the API",
    load: async () => (await import("./verbs/token.ts")).tokenRevoke,
  },
} as const;
