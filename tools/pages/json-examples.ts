// Lines of real runs, for docs/json.md. Making the page checks each against its schema.

interface Example {
  readonly command?: string;
  readonly json: unknown;
}

export const EXAMPLES: Readonly<Record<string, Example>> = {
  hold: {
    command: 'lifeboat hold before-upgrade --reason "upgrade of 1 December" --json',
    json: { id: "1m8k9ehnfhx74s", name: "before-upgrade", source: "shop", held: true, expiresAt: null, note: null },
  },
  jobs: {
    command: "lifeboat jobs --limit 1 --json",
    json: {
      jobs: [
        {
          id: "1m8k9ep88vxkm0",
          verb: "hold",
          source: "shop",
          state: "done",
          startedAt: "2026-11-29T09:16:22.664Z",
          endedAt: "2026-11-29T09:16:22.716Z",
          seconds: 0.052,
          steps: [
            { name: "mark", seconds: 0.005 },
            { name: "confirm", seconds: 0.005 },
          ],
          error: null,
          result: { point: "1m8k9ehnfhx74s" },
          owner: { user: "backup", host: "db1", pid: 18298 },
          resources: [],
        },
      ],
      flaws: [],
    },
  },
  error: {
    command: "lifeboat drill shop --json",
    json: {
      error: {
        code: "NO_RESTORE_POINT",
        message: "shop has no restore point",
        retryable: false,
        exit: 1,
        details: {},
        next: { text: "run `lifeboat backup shop` first", commands: ["lifeboat backup shop"] },
      },
    },
  },
  event: {
    json: { at: "2026-11-29T09:16:22.669Z", job: "1m8k9ep88vxkm0", source: "shop", type: "step", name: "mark", totalBytes: null },
  },
};
