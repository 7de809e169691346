// What a child process may know: a short list of ordinary variables, never our whole environment (it may hold storage keys and tokens).

const KEPT = ["PATH", "HOME", "TMPDIR", "TEMP", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "KRB5CCNAME", "KRB5_CONFIG"] as const;

/** The base of every child's environment. Messages are in English and in UTF-8, so that they can be understood and shown. */
export function baseEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept: Record<string, string> = { LC_ALL: "C", PATH: "/usr/local/bin:/usr/bin:/bin" };
  for (const name of KEPT) {
    const value = env[name];
    if (value !== undefined) kept[name] = value;
  }
  return kept;
}
