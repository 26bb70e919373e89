import { closePeriodBody } from "../../../schema/ledger-commands.ts";
import { periodResource } from "../../../schema/resources.ts";
import { answer, defineRoute } from "../route.ts";

export const periodRoutes = [
  defineRoute({
    operation: "ledger.close_period",
    method: "POST",
    path: "/v1/ledger/periods/close",
    summary: "Closes the books before a moment, for good: no transfer that begins afterwards claims an earlier one.",
    idempotency: "none",
    body: closePeriodBody,
    responses: { 200: { description: "Every shard knows of it.", schema: periodResource } },
    handler: async ({ actors, body, meta }) => {
      const closed = await actors.coordinator(0)((coordinator) =>
        coordinator.closePeriod(body.until, body.reason ?? null, meta),
      );
      return closed.ok ? answer(200, closed.value) : closed;
    },
  }),
];
