// lifeboat acknowledge: what is missed of a source is lost for good.
import * as z from "zod/mini";
import { operation } from "../operation.ts";
import { acknowledge as acknowledgeSource } from "../retention/acknowledge.ts";
import { about, reason, sourceName } from "../schemas.ts";
import { sourceNamed } from "../sources.ts";

export const acknowledge = operation({
  name: "acknowledge",
  access: "approve",
  oneJob: () => true,
  request: z.strictObject({ source: sourceName, reason: about(z.string(), "What became of them, or why it is intended. It is kept.") }),
  result: z.strictObject({ source: sourceName, acknowledged: about(z.readonly(z.array(reason)), "What was missed until now.") }),
  async run(context, { source, reason: why }) {
    const of = sourceNamed(context, source);
    const { reasons } = await acknowledgeSource(context, of, why, context);
    return { source: of.name, acknowledged: reasons.map(({ code, message }) => ({ code, message })) };
  },
});
