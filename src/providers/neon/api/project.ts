// Calls about the project, its plan and its history window.
import { isLifeboatError } from "../../../core/errors.ts";
import type { NeonApi } from "./api.ts";
import { need, readProject } from "./read.ts";
import type { Session } from "./session.ts";

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
