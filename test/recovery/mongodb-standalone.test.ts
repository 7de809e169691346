import { startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";
import { mongoEngineContract } from "../contract/mongodb-engine.ts";

mongoEngineContract("the MongoDB engine on a standalone server", () => startMongoSandbox({ replicaSet: false }));
