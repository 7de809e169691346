import { startMongoSandbox } from "../../packages/sandbox/mongo/sandbox.ts";
import { Secret } from "../../src/core/secret.ts";
import { createMongodbProvider } from "../../src/providers/mongodb/provider.ts";
import { findMongod } from "../../src/providers/mongodb/server/find.ts";
import { testMaker } from "../support/maker.ts";
import { mongoEngineContract } from "./mongodb-engine.ts";

mongoEngineContract("the MongoDB engine on the sandbox", () => startMongoSandbox());

// A server named for this purpose. The suite creates its own databases there and drops them.
const live = process.env.MONGODB_URL;
if (live !== undefined)
  mongoEngineContract("the MongoDB engine on the server of MONGODB_URL", async () => ({ url: live, close: async () => {} }));

// A real server of this machine, started and thrown away as a drill does it.
if (findMongod(undefined) !== undefined) {
  mongoEngineContract("the MongoDB engine on the mongod of this machine", async () => {
    const provider = createMongodbProvider({ url: Secret.of("mongodb://127.0.0.1:1/") });
    const { connection, end } = await provider.beginScratch({
      maker: testMaker(`contract${process.pid}`),
      serverMajor: 4,
      declare: async () => {},
    });
    return { url: connection.url, close: end };
  });
}
