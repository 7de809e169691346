// The events of a job as server-sent events. A reader that lost its connection continues where it was, by Last-Event-ID.
import { once } from "node:events";
import type { Context as Request } from "hono";
import { streamSSE } from "hono/streaming";
import type { ApiJob } from "./job-store.ts";
import { LAST_EVENT, type NumberedEvent, type Running } from "./jobs.ts";

/** A comment so often keeps proxies from closing a silent connection. */
const ALIVE_MS = 15_000;
const MOST_WAITING = 1000;

/**
 * The stream until the job has ended; 204 for a reader that has read its end, which tells it not to come again. `running` is looked up
 * before `job` is read, so that a job that ends in between is not told as it was.
 */
export async function eventStream(request: Request, running: Running | undefined, job: ApiJob, stopping: AbortSignal): Promise<Response> {
  const given = request.req.header("last-event-id") ?? "";
  const seen = /^\d{1,16}$/.test(given) ? Number(given) : 0;
  if (seen === LAST_EVENT) return request.body(null, 204);
  const response = streamSSE(request, async (stream) => {
    const waiting: NumberedEvent[] = [];
    const wake = new EventTarget();
    const take = (event: NumberedEvent): void => {
      // A reader that does not read misses how far a step is, never what happened.
      if (waiting.length >= MOST_WAITING && event.event.type === "advance") return;
      waiting.push(event);
      wake.dispatchEvent(new Event("more"));
    };
    if (running === undefined) take({ id: LAST_EVENT, event: { type: "finished", job } });
    else for (const event of running.events) if (event.id > seen) take(event);
    running?.watchers.add(take);
    const stop = new AbortController();
    stream.onAbort(() => stop.abort());
    const over = AbortSignal.any([stop.signal, stopping]);
    const alive = setInterval(() => void stream.write(": alive\n\n"), ALIVE_MS);
    try {
      while (!over.aborted) {
        const next = waiting.shift();
        if (next === undefined) await once(wake, "more", { signal: over }).catch(() => undefined);
        else {
          const { id, event } = next;
          await stream.writeSSE({ id: String(id), event: event.type, data: JSON.stringify(event.type === "finished" ? event.job : event) });
          if (event.type === "finished") return;
        }
      }
    } finally {
      clearInterval(alive);
      running?.watchers.delete(take);
    }
  });
  response.headers.set("cache-control", "no-store");
  return response;
}
