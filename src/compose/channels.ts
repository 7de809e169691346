// The notification channels of the configuration as the objects that alerts are sent to.
import type { Config } from "../config/load.ts";
import type { Clock } from "../ports/clock.ts";
import type { Channel, Notifier } from "../ports/notifier.ts";

export function wireChannels({ notify, descriptors }: Config, clock: Clock): ReadonlyMap<string, Channel> {
  const channels = Object.entries(notify).map(([name, { kind, own, ...route }]): Channel => {
    const descriptor = descriptors.notifiers.find((one) => one.kind === kind);
    if (descriptor === undefined) throw new TypeError(`no descriptor of ${kind}`); // the configuration was checked
    let made: Notifier | undefined;
    return {
      name,
      kind,
      route,
      async notifier() {
        if (made !== undefined) return made;
        const options = own.read();
        const { makeNotifier } = await descriptor.load();
        made = makeNotifier({ name, options, clock });
        return made;
      },
    };
  });
  return new Map(channels.map((channel) => [channel.name, channel]));
}
