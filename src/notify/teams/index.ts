// Microsoft Teams, through a workflow that begins with "When a Teams webhook request is received".

import { secretAddress } from "../../core/service-address.ts";
import { defineNotifier } from "../../ports/descriptor.ts";

const options = {
  url: { type: secretAddress, required: true, secret: true, help: "Address of the workflow.", example: "${TEAMS_WORKFLOW_URL}" },
} as const;

export const teams = defineNotifier({
  kind: "teams",
  options,
  load: () => import("./teams.ts"),
});
