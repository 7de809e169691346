// The address of a storage: which kind it is by its scheme, which place it names, and which options it gives itself.
import { LifeboatError } from "../core/errors.ts";
import { Mismatch } from "../core/option.ts";
import { didYouMean } from "../core/suggest.ts";
import type { StorageDescriptor } from "../ports/descriptor.ts";
import type { Storage } from "../ports/storage.ts";

type Values = Readonly<Record<string, unknown>>;

export interface StorageAddress {
  readonly storage: StorageDescriptor;
  readonly place: unknown;
  /** What its parameters say, by the names that options have when loaded. */
  readonly options: Values;
}

export interface OpenOptions {
  /** From the configuration; what the address says has precedence. */
  readonly options?: Values;
  /** Backups are locked against deletion. */
  readonly lock?: boolean;
  /** Makes a directory that does not exist. */
  readonly create?: boolean | undefined;
  readonly spoolDirectory?: string | undefined;
}

/** Loads and opens the storage of the address. Throws CONFIG_INVALID, and what the storage throws. */
export async function openAddress(text: string, storages: readonly StorageDescriptor[], given: OpenOptions = {}): Promise<Storage> {
  const { storage, place, options } = readAddress(text, storages);
  const { open } = await storage.load();
  const { lock = false, create = false, spoolDirectory } = given;
  return await open({ place, options: { ...given.options, ...options }, lock, create, spoolDirectory });
}

/** Throws CONFIG_INVALID with what is wrong; never repeats a password that was put into the address. */
export function readAddress(text: string, storages: readonly StorageDescriptor[]): StorageAddress {
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw invalid(`${shown(text)} is not a URL${text.startsWith("/") ? `; did you mean file://${text}?` : ""}`, error);
  }
  if (url.username !== "" || url.password !== "")
    throw invalid("the address of a storage carries no credentials: give them as options of `repository.storage`, or in the environment");
  if (url.hash !== "") throw invalid(`the storage address ${shown(text)} has a "#" part, which has no meaning here`);
  const storage = storages.find(({ scheme }) => url.protocol === `${scheme}:`);
  if (storage === undefined) {
    const known = storages.map(({ scheme }) => `${scheme}://`).join(" or ");
    throw invalid(`the storage address ${shown(text)} begins with ${url.protocol}, not with ${known}`);
  }
  const options = parametersOf(url, storage, shown(text));
  url.search = "";
  try {
    const fault = storage.rule?.(options, Object.keys(options));
    if (fault !== undefined) throw new Mismatch(`is not complete: ${typeof fault === "string" ? fault : fault.message}`);
    return { storage, place: storage.place(url), options };
  } catch (error) {
    throw error instanceof Mismatch ? invalid(`the storage address ${shown(text)} ${error.message}`, error) : error;
  }
}

function parametersOf(url: URL, { scheme, parameters = {}, options }: StorageDescriptor, address: string): Values {
  const names = Object.keys(parameters);
  const found: Record<string, unknown> = {};
  for (const [name, value] of url.searchParams) {
    const key = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const option = key === undefined ? undefined : options[key];
    if (key === undefined || option === undefined || option.type.shape !== "scalar") {
      const known = names.length === 0 ? `an address of ${scheme}:// takes none` : `there are ${names.join(", ")}`;
      throw invalid(`${address} has the unknown parameter ${JSON.stringify(name)}; ${known}${didYouMean(name, names)}`);
    }
    if (value === "") throw invalid(`the parameter ${name} of ${address} is empty`);
    const loaded = option.as ?? key;
    if (Object.hasOwn(found, loaded)) throw invalid(`the parameter ${name} of ${address} is given twice`);
    try {
      found[loaded] = option.type.read(value, (path) => path);
    } catch (error) {
      throw error instanceof Mismatch ? invalid(`the parameter ${name} of ${address} ${error.message}`) : error;
    }
  }
  return found;
}

/** The text for a message: the part before an "@" might be a password. */
const shown = (text: string): string => JSON.stringify(text.replace(/\/\/.*@/, "//…@"));

const invalid = (message: string, cause?: unknown): LifeboatError => new LifeboatError("CONFIG_INVALID", message, { cause });
