// Options of `approval` and `audit`: who approves changes to production, and who witnesses the audit log.
import { listOf, named, section } from "../../core/option.ts";
import { duration, path, text } from "../../core/option-types.ts";
import type { StorageDescriptor } from "../../ports/descriptor.ts";
import { publicKey, storageAddress } from "./repository.ts";

const approver = section({
  key: {
    type: publicKey,
    required: true,
    help: "Public key of this approver, which `lifeboat key approver` prints.",
    example: "MCowBQYDK2VwAyEA…",
  },
  identities: {
    type: listOf(text),
    default: [],
    help: "How this person appears as the one who asks: `user@host`, or the name of a person or token of the API. What one of these asked for, this key cannot approve.",
    example: "[ada@db1]",
  },
});

export const approval = section({
  approvers: {
    type: named(approver),
    default: {},
    help: "Who may approve a change to the production of a source with `approval: required`, by name.",
  },
  validFor: {
    type: duration,
    as: "validForMs",
    default: "4h",
    help: "How long a request can be approved and carried out.",
  },
});

const witnessOf = (storages: readonly StorageDescriptor[]) =>
  section(
    {
      url: {
        type: storageAddress(storages),
        help: "Address of a storage, as of a repository.",
        example: "file:///mnt/witness",
      },
      git: {
        type: path,
        help: "Folder of a clone. Each checkpoint is a commit, pushed where the branch has an upstream.",
        example: "/srv/witness",
      },
    },
    ({ url, git }) => ((url === undefined) === (git === undefined) ? "a witness has either `url` or `git`" : undefined),
  );

export const auditOf = (storages: readonly StorageDescriptor[]) =>
  section({
    witnesses: {
      type: named(witnessOf(storages)),
      default: {},
      help: "Places outside of the repository that keep checkpoints of the audit log, by name. `tick` and `audit verify` copy them.",
    },
  });
