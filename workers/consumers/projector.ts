import type { Run } from "../../schema/events.ts";
import { beacon, openRun } from "../../schema/run-message.ts";
import { parseStream } from "../../schema/streams.ts";
import { pullFrom } from "./actors.ts";
import { park } from "./dead-letters.ts";
import type { ConsumerEnv } from "./env.ts";
import { errorText, metric } from "./metrics.ts";
import { type ProjectionPorts, projectRuns, type StreamOutcome } from "./projection.ts";
import { lastOf, openedFault } from "./runs.ts";

/** What became of a message: a parked one is taken off the queue like an acknowledged one, once it stands in its table. */
type Verdict = "ack" | "retry" | "park";

/** Seconds before a message that was delivered this often comes again: longer each time, a minute at most. */
export const retryDelay = (attempts: number): number => Math.min(60, 2 ** attempts);

const retry = (message: Message): void => message.retry({ delaySeconds: retryDelay(message.attempts) });

const verdictOn = (run: Run, outcome: StreamOutcome | undefined): Verdict => {
  if (outcome === undefined) return "retry";
  const wanted = run.events.length === 0 ? run.head : lastOf(run);
  if (outcome.seq >= wanted || outcome.state === "behind") return "ack";
  return outcome.state === "broken" ? "park" : "retry";
};

/** A stream that took a full pull and has more gets a beacon of ours: the next batch pulls on, and no message waits for it. */
const pullOn = async (
  env: Pick<ConsumerEnv, "EVENTS">,
  outcomes: ReadonlyMap<string, StreamOutcome>,
): Promise<void> => {
  const beacons = [...outcomes].flatMap(([stream, { state, seq, head }]) =>
    state === "behind" ? [{ body: beacon(stream, seq + 1, head) }] : [],
  );
  if (beacons.length > 0) await env.EVENTS.sendBatch(beacons);
};

const settle = async (
  db: D1Database,
  queue: string,
  verdicts: ReadonlyMap<Message, Verdict>,
  now: number,
): Promise<void> => {
  const having = (verdict: Verdict) =>
    [...verdicts].flatMap(([message, given]) => (given === verdict ? [message] : []));
  await park(db, queue, having("park"), "chain", now);
  for (const message of [...having("park"), ...having("ack")]) message.ack();
  for (const message of having("retry")) retry(message);
  const counts = { acked: having("ack").length, retried: having("retry").length, parked: having("park").length };
  if (counts.retried + counts.parked > 0) metric("projector.batch", verdicts.size, counts);
};

/**
 * The consumer of the queue "events": each message is a run of one stream, acknowledged or retried by what became of its own
 * stream. What cannot be read as a run is retried until the queue gives it up to the dead letters.
 */
export const projectBatch = async (
  batch: Pick<MessageBatch<unknown>, "queue" | "messages">,
  env: ConsumerEnv,
  ports: ProjectionPorts = { db: env.READ_MODEL, pull: pullFrom(env), now: Date.now },
): Promise<void> => {
  const verdicts = new Map<Message, Verdict>();
  const sound: [Message, Run][] = [];
  const streams = new Map<string, Run[]>();
  for (const message of batch.messages) {
    const opened = openRun(message.body);
    if (opened === null || parseStream(opened.run.stream) === null) {
      verdicts.set(message, "retry");
      continue;
    }
    const { run } = opened;
    const fault = openedFault(opened);
    verdicts.set(message, fault === null ? "retry" : "park");
    if (fault !== null) {
      metric("projector.run_unsound", 1, { stream: run.stream, error: fault });
      continue;
    }
    sound.push([message, run]);
    streams.set(run.stream, [...(streams.get(run.stream) ?? []), run]);
  }
  try {
    const outcomes = await projectRuns(ports, streams);
    await pullOn(env, outcomes);
    for (const [message, run] of sound) verdicts.set(message, verdictOn(run, outcomes.get(run.stream)));
    await settle(env.READ_MODEL, batch.queue, verdicts, ports.now());
  } catch (error) {
    metric("projector.batch_failed", batch.messages.length, { error: errorText(error) });
    for (const message of batch.messages) retry(message);
  }
};
