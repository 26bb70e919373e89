import { z } from "zod";
import { faultPoint } from "../../objects/kit/faults.ts";
import type { ConsumerEnv, RebuildOrder } from "../consumers/env.ts";
import { errorText, metric } from "../consumers/metrics.ts";
import { rebuildPorts } from "./ports.ts";
import { endRebuild, hasEnded, loadRebuild, type Rebuild, Superseded } from "./record.ts";
import { takeStep } from "./steps.ts";

/** One message drives this long, milliseconds; then another takes over. */
const TURN_MS = 10_000;
/** A step that fails is taken again by the next delivery, this often in a row. */
const MAX_ATTEMPTS = 4;

const order = z.strictObject({ rebuild: z.string().min(1).max(64) });

/** Takes steps until the rebuild has ended or the turn is over; answers it as it is then. */
const driveOn = async (env: ConsumerEnv, first: Rebuild): Promise<Rebuild> => {
  const ports = rebuildPorts(env);
  const until = ports.now() + TURN_MS;
  let rebuild = first;
  while (!hasEnded(rebuild) && ports.now() < until) {
    await faultPoint(env, `rebuild:${rebuild.phase}`);
    // The database is no I/O either in the local runtime, which would look at no socket until the turn is over.
    await scheduler.wait(0);
    rebuild = await takeStep(ports, rebuild);
  }
  return rebuild;
};

/** Where it stopped is kept with the rebuild, which the tables that serve do not notice. Why, the log says: an answer tells no SQL. */
const giveUp = async (env: ConsumerEnv, id: string): Promise<void> => {
  const rebuild = await loadRebuild(env.READ_MODEL, id);
  if (rebuild === null || hasEnded(rebuild)) return;
  await endRebuild(env.READ_MODEL, rebuild, { phase: "failed", error: `stopped at ${rebuild.phase}` }, Date.now());
};

const drive = async (message: Message<unknown>, env: ConsumerEnv): Promise<void> => {
  const parsed = order.safeParse(message.body);
  const id = parsed.success ? parsed.data.rebuild : "";
  try {
    const rebuild = await loadRebuild(env.READ_MODEL, id);
    const after = rebuild === null ? null : await driveOn(env, rebuild);
    if (after !== null && !hasEnded(after)) await env.REBUILDS.send({ rebuild: id } satisfies RebuildOrder);
  } catch (error) {
    if (!(error instanceof Superseded)) {
      metric("rebuild.step_failed", 1, { rebuild: id, error: errorText(error), attempts: message.attempts });
      if (message.attempts < MAX_ATTEMPTS) return message.retry({ delaySeconds: 1 });
      await giveUp(env, id);
    }
  }
  message.ack();
};

/** The consumer of the queue "rebuilds". Two messages may drive one rebuild: of every step one of them finds it taken, and leaves. */
export const driveBatch = async (batch: MessageBatch<unknown>, env: ConsumerEnv): Promise<void> => {
  for (const message of batch.messages) await drive(message, env);
};
