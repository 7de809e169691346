// What a replica set of one member says about itself.
import { type Document, Int32, Long } from "bson";
import { applyEntry } from "../apply-ops.ts";
import type { Command, Handlers, ServerContext } from "../command.ts";
import { CommandError } from "../errors.ts";
import { timestampOf } from "../position.ts";
import { findField, rawArray, rawOf } from "../raw.ts";

function assertSet({ context }: Command): string {
  if (context.setName === undefined) throw new CommandError(76, "not running with --replSet");
  return context.setName;
}

function config(command: Command): Document {
  return { config: configOf(command.context, assertSet(command)) };
}

/** As `replSetGetConfig` and `local.system.replset` show it. */
export function configOf({ host, port, setId }: ServerContext, name: string): Document {
  const member = {
    _id: new Int32(0),
    host: `${host}:${port}`,
    arbiterOnly: false,
    buildIndexes: true,
    hidden: false,
    priority: 1,
    tags: {},
    secondaryDelaySecs: Long.ZERO,
    votes: 1,
  };
  const settings = {
    chainingAllowed: true,
    heartbeatIntervalMillis: 2000,
    heartbeatTimeoutSecs: 10,
    electionTimeoutMillis: 10_000,
    catchUpTimeoutMillis: -1,
    getLastErrorModes: {},
    getLastErrorDefaults: { w: 1, wtimeout: 0 },
    replicaSetId: setId,
  };
  return {
    _id: name,
    version: 1,
    term: Long.fromNumber(1),
    members: [member],
    protocolVersion: Long.fromNumber(1),
    writeConcernMajorityJournalDefault: true,
    settings,
  };
}

function status(command: Command): Document {
  const set = assertSet(command);
  const { store, host, port, startedAt } = command.context;
  const opTime = { ts: timestampOf(store.last), t: Long.fromNumber(1) };
  const wall = new Date(store.oplog.last?.wallMs ?? startedAt.getTime());
  return {
    set,
    date: store.clock(),
    myState: 1,
    term: Long.fromNumber(1),
    syncSourceHost: "",
    syncSourceId: -1,
    heartbeatIntervalMillis: Long.fromNumber(2000),
    majorityVoteCount: 1,
    writeMajorityCount: 1,
    votingMembersCount: 1,
    writableVotingMembersCount: 1,
    optimes: {
      lastCommittedOpTime: opTime,
      lastCommittedWallTime: wall,
      readConcernMajorityOpTime: opTime,
      appliedOpTime: opTime,
      durableOpTime: opTime,
      lastAppliedWallTime: wall,
      lastDurableWallTime: wall,
    },
    lastStableRecoveryTimestamp: timestampOf(store.last),
    members: [
      {
        _id: 0,
        name: `${host}:${port}`,
        health: 1,
        state: 1,
        stateStr: "PRIMARY",
        uptime: 1,
        optime: opTime,
        optimeDate: wall,
        electionTime: timestampOf(store.epoch),
        electionDate: startedAt,
        configVersion: 1,
        configTerm: 1,
        self: true,
      },
    ],
  };
}

function appendOplogNote(command: Command): Document {
  assertSet(command);
  if (command.db !== "admin") throw new CommandError(13, "appendOplogNote may only be run against the admin database.");
  command.store.logNoop((command.body.data ?? {}) as Document);
  return {};
}

function applyOps(command: Command): Document {
  const array = findField(rawOf(command.raw), "applyOps");
  const entries = array?.type === 4 ? rawArray(command.raw, array) : [];
  for (const entry of entries) applyEntry(command.store, entry);
  return { applied: new Int32(entries.length), results: entries.map(() => true) };
}

export const REPLICATION: Handlers = { applyOps, replSetGetConfig: config, replSetGetStatus: status, appendOplogNote };
