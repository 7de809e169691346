// Options of `server`: how `lifeboat serve` listens, schedules and watches.
import { section } from "../../core/option.ts";
import { integer, text } from "../../core/option-types.ts";

export const server = section({
  host: {
    type: text,
    default: "127.0.0.1",
    help: "Address that `serve` listens at. Behind a reverse proxy on this machine, keep the default.",
    example: "0.0.0.0",
  },
  port: { type: integer(0), default: 7420, help: "Port that `serve` listens at; 0 takes one that is free.", example: "7420" },
});
