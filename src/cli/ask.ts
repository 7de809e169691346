// Asks the user. Without a terminal to ask on, names the option that gives the answer.
import { LifeboatError } from "../core/errors.ts";

interface Question {
  readonly message: string;
  /** The option that answers it without a terminal: `--url`. */
  readonly flag: string;
}

export interface Ask {
  /** A user can answer. */
  readonly possible: boolean;
  text(
    question: Question & {
      readonly initial?: string;
      readonly placeholder?: string;
      readonly check?: (value: string) => string | undefined;
    },
  ): Promise<string>;
  /** Typed unseen. */
  secret(question: Question): Promise<string>;
  confirm(question: Question & { readonly initial?: boolean }): Promise<boolean>;
  choose<T extends string>(
    question: Question & { readonly choices: readonly { readonly value: T; readonly label: string; readonly hint?: string }[] },
  ): Promise<T>;
}

/** Questions by clack, on standard error so that standard output stays the result. */
export function makeAsk(possible: boolean, signal: AbortSignal): Ask {
  const begin = async ({ flag, message }: Question): Promise<typeof import("@clack/prompts")> => {
    if (!possible) throw new LifeboatError("USAGE", `"${message}" cannot be asked, for there is no terminal`, { hint: `give ${flag}` });
    return import("@clack/prompts");
  };
  const common = { output: process.stderr, signal };
  const answered = <T>(answer: T): Exclude<T, symbol> => {
    if (typeof answer === "symbol") throw new LifeboatError("CANCELLED", "stopped at a question");
    return answer as Exclude<T, symbol>;
  };
  return {
    possible,
    async text(question) {
      const { text } = await begin(question);
      const { initial, placeholder, check } = question;
      return answered(
        await text({
          ...common,
          message: question.message,
          ...(initial === undefined ? {} : { initialValue: initial }),
          ...(placeholder === undefined ? {} : { placeholder }),
          ...(check === undefined ? {} : { validate: (value: string | undefined) => check(value ?? "") }),
        }),
      );
    },
    async secret(question) {
      const { password } = await begin(question);
      return answered(await password({ ...common, message: question.message }));
    },
    async confirm(question) {
      const { confirm } = await begin(question);
      return answered(await confirm({ ...common, message: question.message, initialValue: question.initial ?? false }));
    },
    async choose(question) {
      const { select } = await begin(question);
      const options = question.choices.map((choice) => ({ ...choice }));
      return answered(
        await select<string>({ ...common, message: question.message, options }),
      ) as (typeof question.choices)[number]["value"];
    },
  };
}
