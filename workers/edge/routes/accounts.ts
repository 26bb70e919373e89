import { accountReasonBody, limitsBody } from "../../../schema/account-commands.ts";
import { parseAccount } from "../../../schema/accounts.ts";
import { eventsQuery } from "../../../schema/commands.ts";
import { accountResource, closingResource, explanationResource } from "../../../schema/ledger-resources.ts";
import { parseMinor } from "../../../schema/money.ts";
import { accept, type InputError, type Result, reject } from "../../../schema/rejections.ts";
import type { AccountCommand, AccountCommandAnswer } from "../../../schema/rpc/account.ts";
import { mayBeNamed, physical } from "../account-resource.ts";
import type { Actors } from "../actors.ts";
import { invalid } from "../body.ts";
import { type Answer, answer, type Call, defineRoute } from "../route.ts";
import { commandAccount, isPhysical, noSuchAccount } from "./account-commands.ts";

/** Refused before an actor is asked: a name that is none, and a logical account, which has no actor of its own. */
const governable = async (name: string, actors: Actors): Promise<Result<null>> => {
  const account = parseAccount(name);
  if (account === null) return noSuchAccount(name);
  if (isPhysical(name)) return accept(null);
  return (await mayBeNamed(account, actors))
    ? reject("conflict", `a ${account.kind} account is the house's own: it is neither frozen, closed nor limited`)
    : noSuchAccount(name);
};

const accountAnswer = (done: Exclude<AccountCommandAnswer, { ok: false }>, closing: boolean): Answer => {
  const { replayed, value } = done.value;
  if (value.type !== "account") throw new Error(`an account answered with a ${value.type}`);
  const { account, blockers } = value;
  return answer(200, closing ? { ...physical(account), blockers } : physical(account), { replayed });
};

const govern = async (call: Call<unknown, unknown>, command: AccountCommand, key: string | null): Promise<Answer> => {
  const account = call.params.id ?? "";
  const may = await governable(account, call.actors);
  if (!may.ok) return may;
  const done = await commandAccount(call, { account, command, request: call.body, key });
  return done.ok ? accountAnswer(done, command.type === "close") : done;
};

type Limit = string | null | undefined;

/** Bounds in minor units; the pointers of those that the account's currency cannot write. */
const limitsIn = (currency: string, limits: { floor?: Limit; cap?: Limit }) => {
  const errors: InputError[] = [];
  const parsed: { floor?: string | null; cap?: string | null } = {};
  for (const name of ["floor", "cap"] as const) {
    const text = limits[name];
    if (text === undefined) continue;
    const minor = text === null ? null : parseMinor(text, currency, { signed: true });
    if (text !== null && minor === null) {
      errors.push({ pointer: `/${name}`, detail: `must have no more decimals than ${currency}` });
    } else parsed[name] = minor === null ? null : String(minor);
  }
  return { errors, parsed };
};

const stopping = (type: "freeze" | "unfreeze", summary: string) =>
  defineRoute({
    operation: `ledger.${type}`,
    method: "POST",
    path: `/v1/ledger/accounts/{id}/${type}`,
    summary,
    idempotency: "honoured",
    body: accountReasonBody,
    responses: { 200: { description: "The account as it is now.", schema: accountResource } },
    handler: (call) => govern(call, { type, reason: call.body.reason }, call.key),
  });

export const accountRoutes = [
  stopping("freeze", "Takes no new hold and no debit until it is lifted; what was promised is kept, credits come in."),
  stopping("unfreeze", "Lifts a freeze, or takes an unfinished closing back."),
  defineRoute({
    operation: "ledger.close",
    method: "POST",
    path: "/v1/ledger/accounts/{id}/close",
    summary: "Closes an account for good, by itself as soon as it is at zero and holds nothing.",
    idempotency: "honoured",
    body: accountReasonBody,
    responses: { 200: { description: "The account, and what it waits for.", schema: closingResource } },
    handler: (call) => govern(call, { type: "close", reason: call.body.reason }, call.key),
  }),
  defineRoute({
    operation: "ledger.limits",
    method: "PATCH",
    path: "/v1/ledger/accounts/{id}",
    summary: "Sets floor and cap of a pod's account or a wallet; null is none, a floor below zero a credit limit.",
    idempotency: "none",
    body: limitsBody,
    responses: { 200: { description: "The account as it is now.", schema: accountResource } },
    handler: async (call) => {
      const { floor, cap, reason } = call.body;
      const account = parseAccount(call.params.id ?? "");
      if (account === null) return noSuchAccount(call.params.id ?? "");
      const { errors, parsed } = limitsIn(account.currency, { floor, cap });
      if (errors.length > 0) return invalid(errors);
      return govern(call, { type: "change_limits", ...parsed, reason: reason ?? null }, null);
    },
  }),
  defineRoute({
    operation: "ledger.explain",
    method: "GET",
    path: "/v1/ledger/accounts/{id}/explain",
    summary: "Why a balance is what it is, line by line in seq order, and how what is available follows from it.",
    idempotency: "none",
    query: eventsQuery,
    responses: { 200: { description: "A page of the account's lines.", schema: explanationResource } },
    handler: async ({ params, query, actors }) => {
      const name = params.id ?? "";
      if (!isPhysical(name)) {
        return parseAccount(name) === null
          ? noSuchAccount(name)
          : reject(
              "not_found",
              `${name} is kept in stripes, each with a chain of its own: ask for ${name}#0 and so on`,
            );
      }
      const found = await actors.account(name)((ledger) => ledger.explain(query.after, query.limit));
      if (found === null) return noSuchAccount(name);
      return answer(200, { ...found, next: found.next === null ? null : String(found.next) });
    },
  }),
];
