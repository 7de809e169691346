// Customer-managed keys for encryption at rest, by provider.
import { onlyKnown, optional } from "./body.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { invalidAttribute, refused } from "./errors.ts";

const KEYS = ["awsKms", "azureKeyVault", "googleCloudKms"] as const;
const SECRET = ["secretAccessKey", "secret", "serviceAccountKey"];
const PROVIDERS = { awsKms: "AWS", azureKeyVault: "AZURE", googleCloudKms: "GCP" } as const;

/** Secrets are never shown. */
export function getEncryption(emulator: Emulator): Answer {
  const shown = KEYS.map((key) => {
    const settings = emulator.store.encryption[key] ?? { enabled: false, valid: false };
    return [key, Object.fromEntries(Object.entries(settings).filter(([name]) => !SECRET.includes(name)))];
  });
  return ok({ ...Object.fromEntries(shown), enabledForSearchNodes: false });
}

/** A key is valid at once: the emulator asks no provider. */
export function updateEncryption(emulator: Emulator, request: ApiRequest): Answer {
  onlyKnown(request.body, [...KEYS, "enabledForSearchNodes"]);
  for (const key of KEYS) {
    const wanted = optional(request.body, key, "object");
    if (wanted === undefined) continue;
    const enabled = optional(wanted, "enabled", "boolean");
    if (enabled === undefined) throw invalidAttribute(`${key}.enabled`);
    const used = [...emulator.store.clusters.values()].find((each) => each.settings.encryptionAtRestProvider === PROVIDERS[key]);
    if (!enabled && used !== undefined)
      throw refused("CANNOT_DISABLE_ENCRYPTION_AT_REST", `Cluster ${used.name} is encrypted with this key.`, used.name);
    emulator.store.encryption[key] = { ...emulator.store.encryption[key], ...wanted, valid: enabled };
  }
  return getEncryption(emulator);
}
