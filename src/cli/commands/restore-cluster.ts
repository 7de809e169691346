// The part of `lifeboat restore` that brings a whole cluster back, to any instant that the log proves: into a directory, or scratch.
import { once } from "node:events";
import { EXIT, type ExitStatus, LifeboatError } from "../../core/errors.ts";
import { renderPlan } from "../../core/plan.ts";
import { shown } from "../../core/visible.ts";
import { type PhysicalRequest, planPhysical, restorePhysical } from "../../operations/recovery/cluster-restore.ts";
import type { Source, Watch, Workshop } from "../../operations/workshop.ts";
import type { CommandContext } from "../command.ts";
import { exitOfFinding, findingJson, renderFinding } from "../render/checks.ts";

interface ClusterOptions {
  readonly to: string;
  readonly into: string;
  readonly start?: boolean | undefined;
  readonly plan?: boolean | undefined;
  readonly tables?: readonly string[] | undefined;
  readonly dataOnly?: boolean | undefined;
  readonly replace?: boolean | undefined;
}

export async function restoreCluster(
  context: Pick<CommandContext, "emit" | "paint">,
  workshop: Workshop,
  source: Source,
  options: ClusterOptions,
  watch: Watch,
): Promise<ExitStatus> {
  if (options.tables !== undefined || options.dataOnly || options.replace) {
    throw new LifeboatError("USAGE", "--tables, --data-only and --replace are for databases: a directory takes the whole cluster", {
      hint: "restore into scratch, and copy from there what is needed",
    });
  }
  const request: PhysicalRequest = { to: options.to, into: options.into, start: options.start };
  if (options.plan) {
    const plan = await planPhysical(workshop, source, request, watch);
    context.emit(plan, () => renderPlan(plan));
    return plan.refusals.length > 0 ? EXIT.usage : EXIT.done;
  }
  const place = workshop.repository.storage.url;
  const finding = await restorePhysical(
    workshop,
    source,
    {
      ...request,
      async onScratch(recovered, found) {
        const databases = recovered.databases.map((name) => ({ name, url: recovered.connection(name).url }));
        const lines = shown(databases).map(({ url }) => `  psql '${url}'`);
        context.emit({ ...findingJson(found), databases }, () =>
          [renderFinding(found, place, context.paint), "connect with:", ...lines, "Ctrl-C ends and removes it"].join("\n"),
        );
        // It is there for as long as somebody wants it.
        const awake = setInterval(() => {}, 60_000);
        if (!watch.signal.aborted) await once(watch.signal, "abort");
        clearInterval(awake);
      },
    },
    watch,
  );
  if (options.into !== "scratch") {
    const { next } = finding;
    context.emit({ ...findingJson(finding), next }, () => [renderFinding(finding, place, context.paint), ...shown(next)].join("\n"));
  }
  return exitOfFinding(finding);
}
