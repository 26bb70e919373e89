import { canonicalJson } from "../../../schema/events.ts";
import { closePeriodBody } from "../../../schema/ledger-commands.ts";
import { periodResource } from "../../../schema/ledger-resources.ts";
import { answer, defineRoute } from "../route.ts";

export const periodRoutes = [
  defineRoute({
    operation: "ledger.close_period",
    method: "POST",
    path: "/v1/ledger/periods/close",
    summary: "Closes the books before a moment, for good: no transfer that begins afterwards claims an earlier one.",
    idempotency: "honoured",
    body: closePeriodBody,
    responses: { 200: { description: "Every shard knows of it.", schema: periodResource } },
    handler: async ({ actors, body, caller, key, meta }) => {
      const command = { until: body.until, reason: body.reason ?? null };
      const once = { subject: caller.user, command: "ledger.close_period", key, request: canonicalJson(command) };
      const closed = await actors.coordinator(0)((coordinator) => coordinator.closePeriod(command, once, meta));
      if (!closed.ok) return closed;
      return answer(200, closed.value.value, { replayed: closed.value.replayed });
    },
  }),
];
