// Sources that an operation failed for while it continued with the others.
import type { Failure } from "../../operations/operation.ts";
import type { Paint } from "./paint.ts";

export const renderFailures = (failures: readonly Failure[], paint: Paint): string[] =>
  failures.map(
    ({ source, code, message, next }) => `${paint.red("error")} ${paint.bold(source)}: ${code}  ${message}\n  next: ${next.text}`,
  );
