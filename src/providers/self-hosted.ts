// What the providers without a control plane have in common.

/** Lines of a policy, as `init` writes it. */
export const DUMP_POLICY = [
  "backups:",
  '  - { tier: daily, cron: "0 2 * * *", keep: 30d }',
  '  - { tier: weekly, cron: "0 2 * * 0", keep: 90d }',
];
