import type { z } from "zod";
import { fxQuoteBody, fxRatesQuery } from "../../../schema/commands.ts";
import { canonicalJson } from "../../../schema/events.ts";
import { deskBooksResource, fxQuoteResource, fxRatesResource, providerResource } from "../../../schema/fx-resources.ts";
import { accept, type Result, reject } from "../../../schema/rejections.ts";
import { pageOf } from "../../../schema/resources.ts";
import type { PodSeen } from "../../../schema/rpc/pod.ts";
import { authorize } from "../authorize.ts";
import { pageOfAll, pageQuery } from "../paging.ts";
import { quoteResource } from "../quote-resource.ts";
import { answer, type Call, defineRoute } from "../route.ts";
import { lookAtPod, noSuchPod } from "./pod-policy.ts";

type QuoteBody = z.output<typeof fxQuoteBody>;

/** May the caller ask, and may they know of the pod the quote is for? Of a pod they are no member of they learn nothing. */
const admitToQuote = async (call: Call<QuoteBody, unknown>): Promise<Result<PodSeen | null>> => {
  const decision = authorize("fx.quote", { caller: call.caller });
  if (!decision.allow) return reject("forbidden", decision.detail, { reason: decision.reason });
  if (call.body.pod === null) return accept(null);
  const seen = await lookAtPod(call, call.body.pod);
  return seen === null || seen.role === null ? noSuchPod() : accept(seen);
};

export const fxRoutes = [
  defineRoute({
    operation: "fx.quote",
    method: "POST",
    path: "/v1/fx/quotes",
    summary: "A firm quote: the best of what several liquidity providers answer in time and within the market.",
    idempotency: "honoured",
    body: fxQuoteBody,
    refuses: [404],
    admit: admitToQuote,
    responses: { 201: { description: "The quote, firm until it expires.", schema: fxQuoteResource } },
    handler: async ({ actors, caller, body, seen, key, meta }) => {
      if (seen !== null && !seen.pod.currencies.includes(body.buy.currency)) {
        const errors = [{ pointer: "/buy/currency", detail: "must be one of the pod's currencies" }];
        return reject("currency_mismatch", "the pod does not keep this currency", { errors });
      }
      const scope = { subject: caller.user, command: "fx.quote", key, request: canonicalJson(body) };
      const quoted = await actors.desk()((desk) => desk.quote({ subject: caller.user, ...body }, scope, meta));
      if (!quoted.ok) return quoted;
      return answer(201, quoteResource(quoted.value.value), { replayed: quoted.value.replayed });
    },
  }),
  defineRoute({
    operation: "fx.rates",
    method: "GET",
    path: "/v1/fx/rates",
    summary: "Indicative rates of the day: units of each currency for one of `base`. Nothing is traded at these.",
    idempotency: "none",
    query: fxRatesQuery,
    responses: { 200: { description: "All currencies there is a rate for.", schema: fxRatesResource } },
    handler: async ({ actors, query }) => {
      const rates = await actors.desk()((desk) => desk.rates(query.base));
      return answer(200, { ...rates, indicative: true });
    },
  }),
  defineRoute({
    operation: "fx.providers",
    method: "GET",
    path: "/v1/fx/providers",
    summary: "The liquidity providers: their measured service, score and circuit.",
    idempotency: "none",
    query: pageQuery,
    responses: { 200: { description: "A page of them, by their names.", schema: pageOf(providerResource) } },
    handler: async ({ actors, query }) =>
      answer(
        200,
        pageOfAll(await actors.desk()((desk) => desk.providers()), query, ({ provider }) => provider),
      ),
  }),
  defineRoute({
    operation: "fx.position",
    method: "GET",
    path: "/v1/fx/position",
    summary: "The desk's position by currency, signed on the credit side, and what of its limit is taken.",
    idempotency: "none",
    responses: { 200: { description: "The desk's own books.", schema: deskBooksResource } },
    handler: async ({ actors }) => answer(200, await actors.desk()((desk) => desk.books())),
  }),
];
