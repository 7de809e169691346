// A job as the maker of its resources: what they are marked with, and recognised by when a clean-up looks for them.
import type { Maker } from "../../ports/resource.ts";
import type { Repository } from "../../repository/repository.ts";
import { requireWriter } from "../../repository/trust.ts";

/** `place`: where the records of the job lie, with the key that signs there. Proofs are of the repository and of this job. */
export function makerOf(place: () => Repository, jobId: string, options: { readonly unended?: boolean } = {}): Maker {
  return {
    jobId,
    prove(...parts) {
      const { trust, identity } = place();
      return requireWriter(trust).proof(identity.id, jobId, ...parts);
    },
    unended: options.unended ?? place().memory.jobState(jobId) === "running",
  };
}
