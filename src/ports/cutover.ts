// A place where an application reads its connection string, and how the application is made to read it again.
import type { Late, Secret } from "../core/secret.ts";
import type { Clock } from "./clock.ts";
import type { Work } from "./connection.ts";

/** The present value. */
export interface Present {
  /** Undefined: the place holds a value and does not reveal it. */
  readonly value: string | undefined;
}

/**
 * One place. Every method throws CUTOVER_FAILED when the service could not be reached or was busy, CUTOVER_REFUSED when it rejected the
 * request or holds no such variable, and the signal's reason when it aborts. No message holds a value or a token.
 */
export interface CutOver {
  /** Reads the present value. Changes nothing. CUTOVER_REFUSED: there is no such variable. */
  read(work?: Work): Promise<Present>;
  /** Writes the value and keeps all other properties of the variable. The application does not read it before `deploy`. Idempotent. */
  set(value: string, work?: Work): Promise<void>;
  /**
   * Makes the application read the value, and waits until the service reports that it did. CUTOVER_REFUSED: the service reports that the
   * deployment failed. Absent: the application notices a new value by itself.
   */
  deploy?(work?: Work): Promise<void>;
}

/** How long one exchange with a service may take. */
export interface CutOverTimeouts {
  /** For one request and its whole answer, or one program. */
  readonly requestMs: number;
  /** Pause after the first failed attempt; it doubles after each. */
  readonly pauseMs: number;
  readonly attempts: number;
  /** Between two questions about a deployment. */
  readonly pollMs: number;
  /** From the order of a deployment to its end. */
  readonly deployMs: number;
}

export interface CutOverWiring<O> {
  /** Its name in the configuration. */
  readonly name: string;
  /** Name of the variable. */
  readonly variable: string;
  readonly options: O;
  readonly clock: Clock;
  /** Default: 4 attempts of at most 20 s, and 20 minutes for a deployment. */
  readonly timeouts?: CutOverTimeouts | undefined;
}

/** A configured place. */
export interface CutOverTarget {
  readonly name: string;
  readonly kind: string;
  /** The source whose address the application reads there. */
  readonly source: string;
  readonly variable: string;
  /** The value to go back to, where the place does not reveal it. */
  readonly previous?: Secret | undefined;
  /** Loads and makes it once. SECRET_MISSING when one of its secrets cannot be had. */
  cutOver(): Promise<CutOver>;
}

/** How it is seen that an application is up. */
export interface HealthCheck {
  /** May hold a token, so messages name its origin and path only. */
  readonly url: Late<string>;
  /** The status that it answers when it is up. */
  readonly status: number;
  readonly timeoutMs: number;
}
