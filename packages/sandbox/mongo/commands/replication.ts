// What a replica set of one member says about itself.
import { type Document, Int32, Long } from "bson";
import { applyEntry } from "../apply-ops.ts";
import type { Call, Handlers, World } from "../call.ts";
import { MongoFault } from "../errors.ts";
import { timestampOf } from "../position.ts";
import { findField, rawArray, rawOf } from "../raw.ts";

function assertSet({ world }: Call): string {
  if (world.setName === undefined) throw new MongoFault(76, "not running with --replSet");
  return world.setName;
}

function config(call: Call): Document {
  return { config: configOf(call.world, assertSet(call)) };
}

/** As `replSetGetConfig` and `local.system.replset` show it. */
export function configOf({ host, port, setId }: World, name: string): Document {
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

function status(call: Call): Document {
  const set = assertSet(call);
  const { store, host, port, startedAt } = call.world;
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

function appendOplogNote(call: Call): Document {
  assertSet(call);
  if (call.db !== "admin") throw new MongoFault(13, "appendOplogNote may only be run against the admin database.");
  call.store.logNoop((call.body.data ?? {}) as Document);
  return {};
}

function applyOps(call: Call): Document {
  const array = findField(rawOf(call.raw), "applyOps");
  const entries = array?.type === 4 ? rawArray(call.raw, array) : [];
  for (const entry of entries) applyEntry(call.store, entry);
  return { applied: new Int32(entries.length), results: entries.map(() => true) };
}

export const REPLICATION: Handlers = { applyOps, replSetGetConfig: config, replSetGetStatus: status, appendOplogNote };
