// The API over the official client.
import { isLifeboatError, LifeboatError } from "../../../core/errors.ts";
import type { Secret } from "../../../core/secret.ts";
import type { Clock } from "../../../ports/clock.ts";
import { validateHost } from "../../http/call.ts";
import type { Timeouts } from "../options.ts";
import type { NeonApi } from "./api.ts";
import { branchCalls } from "./branches.ts";
import { computeCalls } from "./computes.ts";
import { need, readProject } from "./read.ts";
import { DEFAULT_HOST, loadSdk } from "./sdk.ts";
import { openSession, type Session } from "./session.ts";
import { snapshotCalls } from "./snapshots.ts";

export interface NeonApiOptions {
  readonly projectId: string;
  readonly apiKey: Secret;
  readonly apiHost?: string | undefined;
  readonly timeouts: Timeouts;
  readonly clock: Clock;
}

/** CONFIG_INVALID when project or host cannot be right. Asks nothing and reads no secret yet. */
export function openNeonApi(options: NeonApiOptions): NeonApi {
  const { projectId, apiKey, clock } = options;
  if (!/^[a-z0-9-]{1,60}$/.test(projectId)) {
    throw new LifeboatError("CONFIG_INVALID", `"${projectId}" is not the id of a Neon project: small letters, digits and dashes`);
  }
  const host = validateHost(options.apiHost ?? DEFAULT_HOST, DEFAULT_HOST);
  const caller = {
    timeouts: options.timeouts,
    clock,
    redact: (text: string): string => text.replaceAll(apiKey.known() ?? "***", "***"),
  };
  const session = openSession(projectId, () => loadSdk(apiKey, host), caller);
  return { ...projectCalls(session), ...branchCalls(session), ...snapshotCalls(session), ...computeCalls(session) };
}

export function projectCalls({ project, ask, change }: Session): Pick<NeonApi, "project" | "ownPlan" | "setHistory"> {
  const path = { project_id: project };
  return {
    project: (work) =>
      ask(
        {
          doing: `show the project ${project}`,
          send: (raw, common) => raw.getProject({ ...common, path }),
          read: (data) => readProject(need(data.project, "project")),
        },
        work,
      ),
    async ownPlan(work) {
      try {
        return await ask(
          { doing: "tell the plan", send: (raw, common) => raw.getCurrentUserInfo(common), read: (data) => data.plan || undefined },
          work,
        );
      } catch (error) {
        // A key of a project or an organisation belongs to no user: the plan is then simply not known, and reported so.
        if (isLifeboatError(error, "PROVIDER_AUTH") || isLifeboatError(error, "PROVIDER_NOT_FOUND")) return undefined;
        throw error;
      }
    },
    async setHistory(seconds, work) {
      await change(
        {
          doing: `set the history window of ${project} to ${seconds} seconds`,
          send: (raw, common) => raw.updateProject({ ...common, path, body: { project: { history_retention_seconds: seconds } } }),
        },
        work,
      );
    },
  };
}
