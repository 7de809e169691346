// The end of the demonstration: the verdict, what was achieved, what was lost, and where the files are.
import { formatDuration } from "../../core/duration.ts";
import type { Verdict } from "../../core/verdict.ts";
import type { Paint } from "../render/paint.ts";
import { renderFacts } from "../render/table.ts";
import { PROGRAM } from "../sandbox/load.ts";
import type { Summary } from "./outcome.ts";
import { spaced } from "./stage.ts";

export function renderSummary(summary: Summary, paint: Paint, folder: string, kept: boolean): string {
  const { verdict, achieved, objective, fingerprint, lost, downSeconds, evidence, backup, point, hosted } = summary;
  const facts = renderFacts(
    [
      [
        "fingerprint",
        fingerprint &&
          `${fingerprint.equal ? paint.green("equal") : paint.red("not equal")} to the one taken with the backup (${spaced(fingerprint.rows)} rows, definitions, sequences)`,
      ],
      ["RTO achieved", against(achieved.rtoSeconds, objective.rtoSeconds)],
      ["RPO achieved", against(achieved.rpoSeconds, objective.rpoSeconds)],
      [
        "lost",
        lost &&
          `${spaced(lost.orders)} orders: confirmed in the ${formatDuration(lost.seconds * 1000)} between the backup and the accident`,
      ],
      [
        "closed for",
        downSeconds === undefined
          ? undefined
          : `${formatDuration(downSeconds * 1000)}, from the accident to the next order, with a drill in between`,
      ],
      [
        "Neon, Atlas",
        hosted &&
          `both brought back to ${hosted.recoveredTo}, ${paint.green("equal")} to the fingerprints of that second (${spaced(hosted.rows)} rows and documents), ${formatDuration(hosted.downSeconds * 1000)} after the accident`,
      ],
      [
        "together",
        hosted &&
          `RTO ${against(hosted.combined.achieved.rtoSeconds, hosted.combined.objective.rtoSeconds)}, RPO ${against(hosted.combined.achieved.rpoSeconds, hosted.combined.objective.rpoSeconds)}`,
      ],
      ["evidence", evidence.join("\n")],
      [
        "by hand",
        backup && `age -d -i ${folder}/lifeboat-identity.txt \\\n  ${backup}/data.zst.age \\\n  | zstd -d | pg_restore -d NEW_DATABASE`,
      ],
    ],
    paint,
  );
  return `${paint.verdict(verdict)}  ${SAID[verdict]}\n${facts}\n\n${kept ? goOn(folder, point, paint) : gone(folder, paint)}`;
}

const SAID: Readonly<Record<Verdict, string>> = {
  pass: "the shop is back, and it was checked that it is the same shop",
  fail: "the demonstration did not end as it should: what differs is named above",
  inconclusive: "the demonstration did not end as it should: what could not be checked is named above",
};

const against = (seconds: number | null | undefined, promised: number | null | undefined): string =>
  `${seconds == null ? "not measured" : formatDuration(seconds * 1000)}${promised == null ? "" : ` (objective ${formatDuration(promised * 1000)})`}`;

const gone = (folder: string, paint: Paint): string =>
  [
    `The server is stopped, and ${folder} is removed with all that was in it.`,
    paint.dim("To keep it and look around: lifeboat demo --keep"),
    paint.dim("To begin with a database of your own: lifeboat init"),
  ].join("\n");

/** An address without a server: the shop's own, a socket in the folder, is just as dead. */
const GONE = "postgres://shop@localhost:1/shop";

function goOn(folder: string, point: string | undefined, paint: Paint): string {
  const lines = [
    `cd ${folder}`,
    `${PROGRAM} list`,
    `${PROGRAM} show ${point ?? "POINT"} --contents`,
    `DATABASE_URL=${GONE} ${PROGRAM} drill shop`,
  ];
  return [
    `The server is stopped; configuration, repository, identity and evidence stay in ${folder}. To continue:`,
    "",
    ...lines.map((line) => `${paint.dim("$")} ${paint.bold(line)}`),
    "",
    paint.dim("The drill works although the shop is gone: a backup needs nothing but itself and its key."),
    paint.dim("When you are done, remove the folder."),
  ].join("\n");
}
