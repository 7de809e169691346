// Who asks for an operation, and what they may do. Roles are given to people and tokens; an operation names the access that it takes.

/** What an operator must be allowed to do. `look` changes nothing. */
export type Access = "look" | "backup" | "restore" | "approve";

/** What each role allows. An approver restores nothing, so that a restore that takes approval takes two people. */
export const ROLES = {
  viewer: ["look"],
  operator: ["look", "backup"],
  restorer: ["look", "backup", "restore"],
  approver: ["look", "approve"],
} as const satisfies Record<string, readonly Access[]>;

export type Role = keyof typeof ROLES;

export const ROLE_NAMES = Object.keys(ROLES) as Role[];

/** Whether one of the roles allows the access. */
export function mayDo(roles: readonly Role[], access: Access): boolean {
  return roles.some((role) => ROLES[role].some((allowed) => allowed === access));
}

/** Who asked for an operation, for journals, approvals and the audit log. */
export interface Actor {
  /** A user of this machine, a person who signed in, a token, or the service itself. */
  readonly kind: "user" | "person" | "token" | "service";
  /** Of a user, `user@host`; of a person, as the identity provider calls them; of a token, its person or its name. */
  readonly name: string;
  readonly via: "command line" | "library" | "api" | "mcp" | "schedule";
  /** Network address of the caller. Absent: the caller is on this machine, or the service itself. */
  readonly from?: string | undefined;
}
