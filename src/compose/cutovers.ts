// The cut-overs of the configuration as the objects that operations use.
import type { Config } from "../config/load.ts";
import type { Clock } from "../ports/clock.ts";
import type { CutOver, CutOverTarget } from "../ports/cutover.ts";

export function wireCutOvers({ cutover, descriptors }: Config, clock: Clock): ReadonlyMap<string, CutOverTarget> {
  const targets = Object.entries(cutover).map(([name, { kind, source, variable, previous, own }]): CutOverTarget => {
    const descriptor = descriptors.cutOvers.find((one) => one.kind === kind);
    if (descriptor === undefined) throw new TypeError(`no descriptor of ${kind}`); // the configuration was checked
    let made: CutOver | undefined;
    return {
      name,
      kind,
      source,
      variable,
      previous,
      async cutOver() {
        if (made !== undefined) return made;
        const options = own.read();
        const { makeCutOver } = await descriptor.load();
        made = makeCutOver({ name, variable, options, clock });
        return made;
      },
    };
  });
  return new Map(targets.map((target) => [target.name, target]));
}
