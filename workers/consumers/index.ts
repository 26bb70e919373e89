import { driveBatch } from "../rebuild/drive.ts";
import { parkBatch } from "./dead-letters.ts";
import type { ConsumerEnv } from "./env.ts";
import { projectBatch } from "./projector.ts";
import { withQueueFaults } from "./queue-faults.ts";

/** The Worker's `queue()`: each queue of wrangler.toml has its consumer here. Throws for one that has none. */
export const consume = (batch: MessageBatch<unknown>, env: ConsumerEnv): Promise<void> => {
  switch (batch.queue) {
    case "events":
      return projectBatch(withQueueFaults(batch, env), env);
    case "events-dead":
      return parkBatch(batch, env);
    case "rebuilds":
      return driveBatch(batch, env);
    default:
      throw new Error(`no consumer for queue ${batch.queue}`);
  }
};
