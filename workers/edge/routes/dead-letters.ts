import { redriveBody } from "../../../schema/commands.ts";
import { deadLetterResource, pageOf, redriveResource } from "../../../schema/resources.ts";
import { listDeadLetters, MAX_REDRIVE, redrive } from "../../consumers/dead-letters.ts";
import { pageQuery } from "../paging.ts";
import { answer, defineRoute } from "../route.ts";

export const deadLetterRoutes = [
  defineRoute({
    operation: "dead_letter.list",
    method: "GET",
    path: "/v1/dead-letters",
    summary: "Messages the consumers gave up on, newest first.",
    idempotency: "none",
    query: pageQuery,
    responses: { 200: { description: "A page of messages.", schema: pageOf(deadLetterResource) } },
    handler: async ({ env, query }) => answer(200, await listDeadLetters(env.READ_MODEL, query)),
  }),
  defineRoute({
    operation: "dead_letter.redrive",
    method: "POST",
    path: "/v1/dead-letters/redrive",
    summary: "Sends parked messages again: those named, or the oldest that were never sent again. Safe to repeat.",
    idempotency: "none",
    body: redriveBody,
    responses: { 200: { description: "How many were sent.", schema: redriveResource } },
    handler: async ({ env, body: { ids, limit } }) =>
      answer(200, {
        redriven: await redrive(env, ids === undefined ? { all: true, limit: limit ?? MAX_REDRIVE } : { ids }),
      }),
  }),
];
