import type { Run } from "../../../schema/events.ts";

export { Counter } from "./counter.ts";

/** Every run the queue ever delivered, in the order it came. */
export const delivered: Run[] = [];

export default {
  fetch: () => new Response(null, { status: 404 }),
  queue: (batch: MessageBatch<Run>) => {
    for (const { body } of batch.messages) delivered.push(body);
  },
};
