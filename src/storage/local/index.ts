// A directory of this machine, or a mounted share.
import { mkdir } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Mismatch } from "../../core/option.ts";
import { defineStorage } from "../../ports/descriptor.ts";

export const local = defineStorage({
  scheme: "file",
  example: "file:///var/lib/lifeboat",
  options: {},
  absolute(written, absolute) {
    // `file://./backups` is relative to the configuration file; URLs have no form for that.
    const relative = /^file:\/\/(\.\.?(?:\/.*)?)$/.exec(written)?.[1];
    return relative === undefined ? written : pathToFileURL(absolute(relative)).href;
  },
  place(url) {
    if (url.hostname !== "" && url.hostname !== "localhost")
      throw new Mismatch(`names the host ${url.hostname}; a directory on this machine has three slashes: file:///directory`);
    try {
      return { directory: fileURLToPath(url) };
    } catch (cause) {
      throw new Mismatch("is not the address of a directory", { cause });
    }
  },
  async load() {
    const { openLocalStorage } = await import("./local.ts");
    return {
      async open({ place: { directory }, create }) {
        if (create) await mkdir(directory, { recursive: true, mode: 0o700 });
        return openLocalStorage({ directory });
      },
    };
  },
});
