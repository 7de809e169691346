// Options of `server`: how `lifeboat serve` listens, watches and stops.
import { section } from "../../core/option.ts";
import { duration, ownPort, text } from "../../core/option-types.ts";

export const server = section({
  host: {
    type: text,
    default: "127.0.0.1",
    help: "Address that `serve` listens at. Behind a reverse proxy on this machine, keep the default.",
    example: "0.0.0.0",
  },
  port: { type: ownPort, default: 7420, help: "Port that `serve` listens at; 0 takes one that is free.", example: "7420" },
  beat: {
    type: duration,
    as: "beatMs",
    default: "1m",
    help: "How often `serve` judges every source and looks for what is due. Work that is due at a slot begins at the slot.",
    example: "1m",
  },
  stopWithin: {
    type: duration,
    as: "stopWithinMs",
    default: "9s",
    help: "How long `serve` may take to stop. Jobs that would take longer are cancelled, cleaned up, and done after the next start.",
    example: "1m",
  },
});
