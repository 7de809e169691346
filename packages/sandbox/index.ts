// Emulators of Neon, MongoDB Atlas and MongoDB on loopback, and a PostgreSQL server of one's own. For the demonstration, `lifeboat
// sandbox` and the tests; the published package of Lifeboat does not contain it.
export { ASSUMPTIONS, type Assumption } from "./assumptions.ts";
export { type AtlasSandbox, type AtlasSandboxOptions, startAtlasSandbox } from "./atlas/sandbox.ts";
export { LIMITS, type Limits, PLANS, type PlanName } from "./neon/limits.ts";
export { type NeonSandbox, type NeonSandboxOptions, startNeonSandbox } from "./neon/sandbox.ts";
export { findPrograms, type Programs, type ProgramsOptions } from "./postgres/programs.ts";
export { openSession, type PostgresSandbox, type PostgresSession, removePostgresSandbox, startPostgresSandbox } from "./postgres/server.ts";
