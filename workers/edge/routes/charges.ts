import type { z } from "zod";
import type { ChargeRecord } from "../../../schema/charges.ts";
import { createChargeBody, emptyBody, reviewBody } from "../../../schema/commands.ts";
import { canonicalJson } from "../../../schema/events.ts";
import { parseId, routeCharge, shardOf } from "../../../schema/ids.ts";
import { inRange, toMinor } from "../../../schema/money.ts";
import { accept, type Refused, type Rejection, type Result, reject } from "../../../schema/rejections.ts";
import { chargeResource as chargeSchema, pageOf } from "../../../schema/resources.ts";
import type { KeyedAnswer } from "../../../schema/rpc/actor.ts";
import type { AskPolicy, ChargeAnswer, CreateCharge } from "../../../schema/rpc/coordinator.ts";
import type { PodSeen } from "../../../schema/rpc/pod.ts";
import { listCharges } from "../../read-model/queries.ts";
import { authorize, type Operation } from "../authorize.ts";
import { chargeResource } from "../charge-resource.ts";
import { readKey } from "../idempotency.ts";
import { pageQuery } from "../paging.ts";
import { waitMs } from "../prefer.ts";
import { type Answer, answer, type Call, defineRoute, metaInPod } from "../route.ts";
import { admitAbout, admitToPod, decideInPod, lookAtPod, noSuchPod } from "./pod-policy.ts";

type ChargeBody = z.output<typeof createChargeBody>;

const noSuchCharge = (): Refused => reject("not_found", "no such charge");

const at = (pointer: string, detail: string): Refused =>
  reject("invalid_request", "the request is not well-formed", { errors: [{ pointer, detail }] });

/** May the caller create the charge that the body says? The pod is asked. */
const mayCharge = admitAbout<Call<ChargeBody, unknown>>("charge.create", ({ body }) =>
  body.payer === undefined ? {} : { payer: body.payer },
);

/**
 * True where policy asks of the pod only what the pod decides again when it admits the charge, the right of the caller to pay there, and the request has no other fault.
 * Then the coordinator asks, unless it need not.
 */
const isPlain = ({ caller, body, request }: Call<ChargeBody, unknown>): boolean =>
  !caller.operator &&
  (body.payer ?? caller.user) === caller.user &&
  body.settle_currency === undefined &&
  body.quote === undefined &&
  inRange(toMinor(body.amount)) &&
  readKey(request.headers.get("idempotency-key"), "required").ok;

const denialOf = async (call: Call<ChargeBody, unknown>): Promise<Rejection | null> => {
  const admitted = await mayCharge(call);
  return admitted.ok ? null : admitted.rejection;
};

/** The pod as the caller sees it; null: nobody has asked it yet. */
const admitCharge = async (call: Call<ChargeBody, unknown>): Promise<Result<PodSeen | null>> => {
  if (!isPlain(call)) return mayCharge(call);
  return parseId("pod", call.params.id ?? "") === null ? noSuchPod() : accept(null);
};

/** The command a body stands for, defaults filled in: what is compared under the key. `seen`: null where it settles in no currency of its own. */
const chargeCommand = (
  pod: string,
  seen: PodSeen | null,
  payer: string,
  body: ChargeBody,
  operator: boolean,
): Result<CreateCharge> => {
  const { amount, quote } = body;
  // A quote without a settle currency settles in its own, which the desk knows.
  const settle_currency = body.settle_currency ?? (quote === undefined ? amount.currency : null);
  if (!inRange(toMinor(body.amount))) {
    return reject("amount_out_of_range", "an amount must be from one minor unit to 9223372036854775807", {
      errors: [{ pointer: "/amount/amount", detail: "is out of range" }],
    });
  }
  if (operator && body.source.type === "wallet") return at("/source/type", "the operator never pays from a wallet");
  if (body.settle_currency !== undefined && seen?.pod.currencies.includes(body.settle_currency) !== true) {
    return reject("currency_mismatch", `the pod does not keep ${body.settle_currency}`, {
      errors: [{ pointer: "/settle_currency", detail: "must be one of the pod's currencies" }],
    });
  }
  return accept({
    pod,
    payer,
    amount,
    source: body.source,
    settle_currency,
    ...(quote === undefined ? {} : { quote }),
    description: body.description ?? null,
  });
};

const createdAnswer = (created: ChargeAnswer, operator: boolean): Answer => {
  if (created.kind === "problem") {
    return { ok: false, rejection: created.rejection, request_id: created.request_id, replayed: created.replayed };
  }
  const headers: Record<string, string> = { location: `/v1/charges/${created.charge.id}` };
  if (created.status === 202) headers["retry-after"] = "1";
  return answer(created.status, chargeResource(created.charge, operator), { replayed: created.replayed, headers });
};

/** The charge after somebody's word on it. */
const decidedAnswer = (decided: KeyedAnswer<ChargeRecord>, operator: boolean): Answer => {
  if (!decided.ok) return decided;
  const { replayed, value } = decided.value;
  return answer(200, chargeResource(value, operator), { replayed });
};

type SeenCharge = { charge: ChargeRecord; pod: PodSeen };

/** The policy step of every route under `/v1/charges/{id}`. One refusal for an unknown charge and one of a pod not one's own. */
const admitToCharge =
  (operation: Operation) =>
  async (call: Call<unknown, unknown>): Promise<Result<SeenCharge>> => {
    const id = call.params.id ?? "";
    const shard = shardOf("chg", id);
    const charge =
      shard === null ? null : await call.actors.coordinator(shard)((coordinator) => coordinator.charge(id));
    if (charge === null) return noSuchCharge();
    const pod = await lookAtPod(call, charge.pod);
    if (pod === null) return noSuchCharge();
    const decision = decideInPod(operation, call.caller, pod.role, { payer: charge.payer });
    return decision.ok ? accept({ charge, pod }) : decision;
  };

/** Operators' routes are closed to everybody else before a charge is looked for. */
const admitOperator = async (call: Call<unknown, unknown>): Promise<Result<ChargeRecord>> => {
  const decision = authorize("charge.review", { caller: call.caller });
  if (!decision.allow) return reject("forbidden", decision.detail, { reason: decision.reason });
  const seen = await admitToCharge("charge.read")(call);
  return seen.ok ? accept(seen.value.charge) : seen;
};

const shardOfCharge = (id: string): number => {
  const shard = shardOf("chg", id);
  if (shard === null) throw new Error(`a charge without a shard: ${id}`);
  return shard;
};

const chargeAnswers = { 200: { description: "The charge as it is now.", schema: chargeSchema } };

export const chargeRoutes = [
  defineRoute({
    operation: "charge.create",
    method: "POST",
    path: "/v1/pods/{id}/charges",
    summary: "Charges the payer for the pod. `Prefer: wait=0` to `wait=30` says how long to wait for the outcome.",
    idempotency: "required",
    waits: true,
    body: createChargeBody,
    admit: admitCharge,
    responses: {
      201: { description: "The charge has ended, one way or the other: read its status.", schema: chargeSchema },
      202: { description: "The charge is under way.", schema: chargeSchema },
    },
    handler: async (call) => {
      const { caller, body, seen, request, actors } = call;
      const pod = call.params.id ?? "";
      const command = chargeCommand(pod, seen, body.payer ?? caller.user, body, caller.operator);
      if (!command.ok) return command;
      // The route insists on a key, so there is one.
      const key = call.key ?? "";
      const scope = { subject: caller.user, command: "charge.create", key, request: canonicalJson(command.value) };
      const policy: AskPolicy | null = seen === null ? () => denialOf(call) : null;
      const wait = waitMs(request.headers.get("prefer"));
      const created = await actors.coordinator(routeCharge(caller.user, pod, key))((coordinator) =>
        coordinator.createCharge(command.value, scope, wait, metaInPod(call), policy),
      );
      return createdAnswer(created, caller.operator);
    },
  }),
  defineRoute({
    operation: "charge.list",
    method: "GET",
    path: "/v1/pods/{id}/charges",
    summary: "The pod's charges, newest first.",
    idempotency: "none",
    query: pageQuery,
    admit: admitToPod("charge.list"),
    responses: { 200: { description: "A page of charges.", schema: pageOf(chargeSchema) } },
    handler: async ({ env, seen, query, caller }) => {
      const { data, next } = await listCharges(env.READ_MODEL, seen.pod.id, query);
      return answer(200, { data: data.map((charge) => chargeResource(charge, caller.operator)), next });
    },
  }),
  defineRoute({
    operation: "charge.read",
    method: "GET",
    path: "/v1/charges/{id}",
    summary: "One charge, for every member of its pod.",
    idempotency: "none",
    admit: admitToCharge("charge.read"),
    responses: chargeAnswers,
    handler: async ({ seen, caller }) => answer(200, chargeResource(seen.charge, caller.operator)),
  }),
  defineRoute({
    operation: "charge.cancel",
    method: "POST",
    path: "/v1/charges/{id}/cancel",
    summary: "Cancels a charge that has not begun to move money.",
    idempotency: "honoured",
    body: emptyBody,
    admit: admitToCharge("charge.cancel"),
    responses: chargeAnswers,
    handler: async (call) => {
      const { id } = call.seen.charge;
      const scope = { subject: call.caller.user, command: "charge.cancel", key: call.key, request: "{}" };
      const ask = call.actors.coordinator(shardOfCharge(id));
      return decidedAnswer(await ask((coordinator) => coordinator.cancelCharge(id, scope, call.meta)), false);
    },
  }),
  defineRoute({
    operation: "charge.review",
    method: "POST",
    path: "/v1/charges/{id}/review",
    summary: "Decides a charge that waits for review.",
    idempotency: "honoured",
    body: reviewBody,
    admit: admitOperator,
    responses: chargeAnswers,
    handler: async (call) => {
      const { id } = call.seen;
      const { decision, note } = call.body;
      const request = canonicalJson(call.body);
      const scope = { subject: call.caller.user, command: "charge.review", key: call.key, request };
      const ask = call.actors.coordinator(shardOfCharge(id));
      const reviewed = await ask((coordinator) => coordinator.reviewCharge(id, decision, note, scope, call.meta));
      return decidedAnswer(reviewed, true);
    },
  }),
];
