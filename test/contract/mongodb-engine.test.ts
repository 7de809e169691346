import { startMongoSandbox } from "../../src/sandbox/mongo/sandbox.ts";
import { mongoEngineContract } from "./mongodb-engine.ts";

mongoEngineContract("the MongoDB engine on the sandbox", () => startMongoSandbox());

mongoEngineContract("the MongoDB engine on a server that stands alone", () => startMongoSandbox({ replicaSet: false }));

// A server that somebody names for this: the suite makes databases of its own there, and drops them.
const live = process.env.MONGODB_URL;
if (live !== undefined)
  mongoEngineContract("the MongoDB engine on the server of MONGODB_URL", async () => ({ url: live, close: async () => {} }));
