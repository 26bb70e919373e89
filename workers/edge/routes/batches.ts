import { systemClock } from "../../../objects/kit/clock.ts";
import { routeTransfer } from "../../../schema/ids.ts";
import {
  batchBody,
  createTransferBody,
  MAX_BATCH_BYTES,
  type ReversalOrder,
  type TransferOrder,
} from "../../../schema/ledger-commands.ts";
import { batchResource } from "../../../schema/ledger-resources.ts";
import { type Rejection, reject } from "../../../schema/rejections.ts";
import type { CreateTransfer, TransferAnswer } from "../../../schema/rpc/coordinator.ts";
import type { Actors } from "../actors.ts";
import { portionsOf } from "../batch-portions.ts";
import { inputErrors, invalid } from "../body.ts";
import { waitMs } from "../prefer.ts";
import { problemBody } from "../problem.ts";
import { answer, type Call, defineRoute } from "../route.ts";
import { commandOf } from "./ledger.ts";

/** Shards called at once. */
const AT_ONCE = 6;

type Placed = { index: number; command: CreateTransfer };

const refused = (rejection: Rejection, requestId: string): TransferAnswer => ({
  kind: "problem",
  rejection,
  request_id: requestId,
  replayed: false,
});

/** One transfer of a batch, or why it is none. Pointers are into the transfer, as if it had come alone. */
const readOrder = (item: unknown): { ok: true; value: TransferOrder } | { ok: false; rejection: Rejection } => {
  const parsed = createTransferBody.safeParse(item);
  if (!parsed.success) return invalid(inputErrors(parsed.error, ""));
  const order: TransferOrder | ReversalOrder = parsed.data;
  if (order.kind === "transfer") return { ok: true, value: order };
  return invalid([{ pointer: "/reverses", detail: "is not taken in a batch: reversals are made one by one" }]);
};

const resultOf = (result: TransferAnswer) => {
  switch (result.kind) {
    case "resource":
      return { status: 201, transfer: result.transfer, ...(result.replayed ? { replayed: true } : {}) };
    case "processing":
      return { status: 202, transfer: { id: result.id, status: "processing", saga: result.saga } };
    case "problem": {
      const problem = problemBody(result.rejection, result.request_id);
      return { status: problem.status, problem, ...(result.replayed ? { replayed: true } : {}) };
    }
  }
};

type Caller = Pick<Call<unknown, unknown>, "meta" | "requestId"> & { actors: Actors };

/** A shard's share of a batch, call after call, so that of transfers sharing an id the first in the request comes first. */
const askShard = async (
  shard: number,
  placed: readonly Placed[],
  deadline: number,
  { actors, meta, requestId }: Caller,
  results: TransferAnswer[],
): Promise<void> => {
  for (const part of portionsOf(placed)) {
    const patienceMs = Math.max(0, deadline - systemClock.now());
    const answers = await actors
      .coordinator(shard)((coordinator) =>
        coordinator.createTransfers(
          part.map(({ command }) => command),
          patienceMs,
          meta,
        ),
      )
      .catch((error: unknown) => {
        // The other shards' results are known all the same; these may be asked for again under the same ids.
        console.error(`batch ${requestId}: shard ${shard}: ${error instanceof Error ? error.message : "failed"}`);
        const unreachable = reject("overloaded", "this transfer's shard could not be reached in time", {
          retry_after: 1,
        });
        return part.map(() => refused(unreachable.rejection, requestId));
      });
    for (const [at, { index }] of part.entries()) results[index] = answers[at] as TransferAnswer;
  }
};

export const batchRoutes = [
  defineRoute({
    operation: "ledger.batch",
    method: "POST",
    path: "/v1/ledger/batches",
    summary: "Up to a thousand transfers, independent and unordered among themselves: a result for each.",
    idempotency: "none",
    waits: true,
    maxBody: MAX_BATCH_BYTES,
    body: batchBody,
    responses: { 200: { description: "A result for each transfer, in their order.", schema: batchResource } },
    handler: async (call) => {
      const { body, requestId, request } = call;
      const results = new Array<TransferAnswer>(body.transfers.length);
      const placed: Placed[] = [];
      for (const [index, item] of body.transfers.entries()) {
        const order = readOrder(item);
        if (order.ok) placed.push({ index, command: commandOf(order.value) });
        else results[index] = refused(order.rejection, requestId);
      }
      const shards = [...Map.groupBy(placed, ({ command }) => routeTransfer(command.id))];
      const deadline = systemClock.now() + waitMs(request.headers.get("prefer"));
      const caller = async () => {
        for (let next = shards.shift(); next !== undefined; next = shards.shift()) {
          await askShard(...next, deadline, call, results);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, caller));
      return answer(200, { results: results.map(resultOf) });
    },
  }),
];
