// The words and turns that plain technical English does without, each with what to write instead.

/** A turn of prose: found in comments, strings, test names and Markdown. */
export interface Turn {
  readonly pattern: RegExp;
  readonly instead: string;
}

const turn = (pattern: string, instead: string): Turn => ({ pattern: new RegExp(pattern.replaceAll(" ", "\\s+"), "giu"), instead });

/** In a pattern, a space is any white space: a turn is found across the lines of a comment. */
export const TURNS: readonly Turn[] = [
  turn(String.raw`\bsomebody(?:'s| else)?\b`, "the actor: a user, another process, another machine"),
  turn(String.raw`\bnobody\b`, "no user, no process, no caller"),
  turn(String.raw`\banybody\b`, "any user, any caller"),
  turn(String.raw`\bwhoever\b`, "the user who, the caller that"),
  turn(String.raw`\bwhatever\b`, "any, all, regardless of"),
  turn(String.raw`\beverything that\b`, "all X that, every X that"),
  turn(String.raw`\bfor ever\b`, "forever"),
  turn(String.raw`\bmend(?:s|ed|ing)?\b`, "fix, repair"),
  turn(String.raw`\b(?:take|takes|taken|took|taking) away\b`, "delete, remove"),
  turn(
    String.raw`(?<!\bthere )\b(?:is|are|was|were|be) no (?!longer|more\b|less\b|fewer|\w+er than|different|better|worse|earlier|later|such\b)\w+`,
    '"is not a valid X", "is not an X", "there is no X"',
  ),
  turn(String.raw`\bas (?:it|they) stands?\b`, "as it is now, unchanged"),
  turn(
    String.raw`\b(?:stands?|stood) (?:in|at|on|under|beside|between|beneath|before|behind|outside|inside|above|below|there|open)\b`,
    "is, is stored, is written",
  ),
  turn(
    String.raw`\bgoes (?:away|first|last|again|only|before|when|while|once|at once|with|after|all the same|unless|until|if|nowhere|together|as|by|alone)\b`,
    "expires, is deleted, takes precedence, continues",
  ),
  turn(String.raw`\bgo(?:es|ing)? on\b`, "continues"),
  turn(String.raw`\bwent on\b`, "continued"),
  turn(String.raw`\b(?:is|are|was|were|be) (?:not )?needed\b`, "is required"),
  turn(String.raw`\bneeded (?:for|by|to|on|from)\b`, "required for, required by"),
  turn(String.raw`\bno more (?=[.,;:)]|$)|\b(?:is|are) no more\b`, "no longer"),
  turn(String.raw`\bany more\b`, "any longer, again"),
  turn(String.raw`\bfor want of\b`, "without, because of missing"),
  turn(String.raw`\bmany a\b`, "many"),
  turn(String.raw`\b(?:lies|lie|lay|lying) (?:in|at|on|under|beside|between|there|beneath|outside|directly|ready)\b`, "is, is stored"),
  turn(
    String.raw`\b(?:thereof|whence|whither|thither|hitherto|hereafter|thereby|therein|wherein|wherefore|ere|betwixt|ought)\b`,
    "plain words",
  ),
  turn(String.raw`\bthe same way is taken\b`, "the same is done"),
  turn(String.raw`\ball the same\b`, "anyway, nevertheless"),
  turn(String.raw`\bnone the less\b`, "nevertheless"),
  turn(String.raw`\b(?:of|to) what is (?:its|their) own\b`, "of its own objects"),
  turn(String.raw`\bthrow-?away\b`, "temporary, scratch"),
  turn(String.raw`\bof ours\b`, "that Lifeboat made"),
];

/** Nouns and verbs that only this project used: found in prose and as a word of an identifier or file name, in the plural too. */
export const PRIVATE_WORDS: Readonly<Record<string, string>> = {
  workshop: "scratch, context",
  ground: "reason",
  stray: "orphan",
  course: "route",
  stretch: "recovery window",
  road: "route",
  wish: "options, request",
  patience: "timeouts",
  strike: "withdraw (a resource from the journal)",
  struck: "withdrawn (from the journal)",
  forsake: "abandon",
  forsaken: "abandoned",
  hole: "gap",
};

/** Where one of the words above is the trade's own. */
export const TRADE: readonly { readonly pattern: RegExp; readonly because: string }[] = [
  { pattern: /the match needed from the query/gu, because: "the words of the real server" },
  { pattern: /\bof course\b/giu, because: "an adverb" },
  { pattern: /\bnobody(?=@)|(?<=["'])nobody(?=["'])/gu, because: "a user of Unix, as the name of a role" },
];
