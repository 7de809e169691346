// Starts and ends all that the demonstration uses: folder, server, emulators, customers. The story itself is in acts.ts.
import type { AtlasSandbox, NeonSandbox, PostgresSandbox } from "@lifeboat/sandbox";
import { asLifeboatError } from "../../core/errors.ts";
import type { CommandCall } from "../command.ts";
import { loadSandbox } from "../sandbox/load.ts";
import { ACTS, type Told, tell } from "./acts.ts";
import { makeDemoFolder, sweepDemoFolders } from "./folder.ts";
import { demoProgress, type Surroundings } from "./perform.ts";
import { makeStage } from "./stage.ts";
import { renderSummary } from "./summary.ts";
import type { Writer } from "./writer.ts";

/** Prefixes of variables that would lead to the user's own repository, key or server. */
const FOREIGN = /^(LIFEBOAT_(?!POSTGRES_BIN$)|PG|AWS_|NEON_|ATLAS_)/;

/** How many times as fast as at the provider clusters are made and restored: a demonstration must not take ten minutes. */
const ATLAS_SPEED = 1_000;

/** Runs the demonstration. Ends server and customers in every case, and deletes the folder unless it is kept. */
export async function runDemo(call: CommandCall, keep: boolean): Promise<number> {
  const { env, signal } = call;
  const sandbox = await loadSandbox();
  const silent = call.json || call.quiet;
  const progress = demoProgress(call);
  const stage = makeStage(silent ? { ...call.stdout, write() {} } : call.stdout, call.paint, ACTS.length);
  for (const path of await sweepDemoFolders(sandbox)) progress.note(`removed ${path}, which a demonstration left that was killed`);

  // First: a download may take a while, or fail.
  const programs = await sandbox.findPrograms({
    configured: env.LIFEBOAT_POSTGRES_BIN || undefined,
    env,
    say: (sentence) => progress.note(sentence),
    signal,
  });
  const bin = programs.directory;
  const folder = await makeDemoFolder();
  let server: PostgresSandbox | undefined;
  let neon: NeonSandbox | undefined;
  let atlas: AtlasSandbox | undefined;
  let writer: Writer | undefined;
  const end = async (kept: boolean): Promise<void> => {
    progress.end();
    await writer?.stop();
    await Promise.all([server?.stop(), neon?.close(), atlas?.close()]);
    await (kept ? folder.keep() : folder.remove());
  };

  let told: Told;
  try {
    stage.say(`\n${stage.paint.bold("Lifeboat")}: database backups that are proven to restore`);
    stage.say("A demonstration with real databases, real data and the real commands.");
    stage.say(`All files are in ${folder.path}${keep ? "" : ", which is deleted at the end; --keep keeps it"}.`);
    const around: Surroundings = {
      call,
      stage,
      progress,
      cwd: folder.path,
      env: {
        ...Object.fromEntries(Object.entries(env).filter(([name]) => !FOREIGN.test(name))),
        ...(programs.downloaded ? { LIFEBOAT_POSTGRES_BIN: bin } : {}),
      },
    };
    told = await tell(around, {
      openSession: sandbox.openSession,
      async startServer() {
        const { id: jobId, server: directory } = folder;
        server = await sandbox.startPostgresSandbox({ directory, jobId, bin, signal });
        return server;
      },
      async startNeon() {
        neon = await sandbox.startNeonSandbox({ plan: "launch", fleet: { directory: folder.neon, bin, signal } });
        return neon;
      },
      async startAtlas() {
        atlas = await sandbox.startAtlasSandbox({ speed: ATLAS_SPEED, bucketRoot: folder.path });
        return atlas;
      },
      employ(made) {
        writer = made;
      },
    });
  } catch (error) {
    await end(false).catch((later: unknown) => progress.note(`${folder.path} could not be removed: ${asLifeboatError(later).message}`));
    throw error;
  }
  await end(keep);
  call.emit({ ...told.summary, kept: keep ? folder.path : null }, () =>
    stage.lay(renderSummary(told.summary, call.paint, folder.path, keep)),
  );
  return told.status;
}
