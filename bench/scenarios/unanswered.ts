import { inBatches } from "../../tests/support/checker.ts";
import { poll } from "../../tests/support/client.ts";
import { type Reply, type Request, Wire } from "../load/wire.ts";

/** A batch may have a long queue before it. */
const OUTCOME_MS = 600_000;
/** Refusals that are of the moment. */
const COME_AGAIN: ReadonlySet<number> = new Set([409, 429]);

type Pending = (reply: Reply) => boolean;

/** Sends a request, under the same key or id, until it is known what came of it. */
export const outcomeOf = async (url: string, request: Request, pending: Pending): Promise<Reply> => {
  const wire = new Wire(url);
  try {
    return await poll(
      () => wire.send(request).catch((): Reply => ({ status: 0, body: "" })),
      (reply) => reply.status >= 200 && reply.status < 500 && !COME_AGAIN.has(reply.status) && !pending(reply),
      OUTCOME_MS,
    );
  } finally {
    wire.close();
  }
};

/** What was sent and of which nobody has said what came of it. Before the money is counted all of it is asked after. */
export class Unanswered {
  readonly #requests = new Map<number, Request>();

  sent(index: number, request: Request): Request {
    this.#requests.set(index, request);
    return request;
  }

  answered(index: number): void {
    this.#requests.delete(index);
  }

  async settle(url: string, pending: Pending, tell: (reply: Reply, index: number) => void): Promise<void> {
    await inBatches([...this.#requests], async ([index, request]) => {
      tell(await outcomeOf(url, request, pending), index);
      this.#requests.delete(index);
    });
  }
}
