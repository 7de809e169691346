// Figures as people read them.

/** `300 061`: a number that is easy to read. */
export const spaced = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, " ");

/** `20 000 users, 40 000 projects and 300 000 orders`. */
export const listed = (rows: Readonly<Record<string, number>>): string => {
  const words = Object.entries(rows).map(([table, one]) => `${spaced(one)} ${table}`);
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
};
