// Settings of a cluster's processes: TLS, size and hours of the oplog.
import { oneOf, onlyKnown, optional } from "./body.ts";
import { beginUpdate } from "./cluster-work.ts";
import { type Answer, type ApiRequest, type Emulator, ok } from "./emulator.ts";
import { conflict, invalidAttribute, refused } from "./errors.ts";
import type { Cluster } from "./state.ts";

const DEFAULTS: Readonly<Record<string, unknown>> = {
  changeStreamOptionsPreAndPostImagesExpireAfterSeconds: null,
  chunkMigrationConcurrency: null,
  customOpensslCipherConfigTls12: [],
  customOpensslCipherConfigTls13: [],
  defaultMaxTimeMS: null,
  defaultWriteConcern: null,
  javascriptEnabled: true,
  minimumEnabledTlsProtocol: "TLS1_2",
  noTableScan: false,
  oplogMinRetentionHours: null,
  oplogSizeMB: null,
  queryStatsLogVerbosity: 1,
  sampleRefreshIntervalBIConnector: null,
  sampleSizeBIConnector: null,
  tlsCipherConfigMode: "DEFAULT",
  transactionLifetimeLimitSeconds: null,
};

function view(cluster: Cluster): object {
  const advanced = cluster.settings.more.advancedConfiguration as Record<string, unknown>;
  return { ...DEFAULTS, ...cluster.processArgs, ...advanced };
}

export function getProcessArgs(emulator: Emulator, request: ApiRequest): Answer {
  return ok(view(dedicated(emulator, request)));
}

export function updateProcessArgs(emulator: Emulator, request: ApiRequest): Answer {
  const cluster = dedicated(emulator, request);
  if (cluster.stateName !== "IDLE")
    throw conflict("CLUSTER_NOT_IDLE", `The cluster ${cluster.name} is ${cluster.stateName}: it cannot be changed now.`, cluster.name);
  onlyKnown(request.body, Object.keys(DEFAULTS));
  const tls = oneOf(request.body, "minimumEnabledTlsProtocol", ["TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"]);
  const hours = optional(request.body, "oplogMinRetentionHours", "number");
  if (hours !== undefined && hours < 0) throw invalidAttribute("oplogMinRetentionHours");
  const size = optional(request.body, "oplogSizeMB", "number");
  if (size !== undefined && size < 990) throw refused("INVALID_OPLOG_SIZE", "oplogSizeMB must be at least 990.", size);
  const { minimumEnabledTlsProtocol, tlsCipherConfigMode, customOpensslCipherConfigTls12, customOpensslCipherConfigTls13, ...rest } =
    request.body;
  const advanced = { tlsCipherConfigMode, customOpensslCipherConfigTls12, customOpensslCipherConfigTls13, minimumEnabledTlsProtocol: tls };
  const said = Object.fromEntries(Object.entries(advanced).filter(([, value]) => value !== undefined && value !== null));
  const more = cluster.settings.more;
  cluster.settings = {
    ...cluster.settings,
    more: { ...more, advancedConfiguration: { ...(more.advancedConfiguration as object), ...said } },
  };
  cluster.processArgs = { ...cluster.processArgs, ...rest };
  beginUpdate(emulator, cluster, emulator.durations.updateMs);
  return ok(view(cluster));
}

function dedicated(emulator: Emulator, request: ApiRequest): Cluster {
  const cluster = emulator.cluster(request);
  if (cluster.kind === "free") throw refused("TENANT_CLUSTER_UPDATE_UNSUPPORTED", "Free clusters have no settings of processes.");
  return cluster;
}
