import { z } from "zod";
import { parseAccount, stripesOf } from "../../../schema/accounts.ts";
import { emptyBody, limitQuery, trialBalanceQuery } from "../../../schema/commands.ts";
import { parseId, routeTransfer, shardOf, shardOfTransfer } from "../../../schema/ids.ts";
import { createTransferBody, type ReversalOrder, type TransferOrder } from "../../../schema/ledger-commands.ts";
import {
  accountResource,
  entryResource,
  transferProcessing,
  transferResource,
  trialBalanceResource,
  verificationProgress,
  verificationResource,
} from "../../../schema/ledger-resources.ts";
import { accept, type Refused, type Rejection, type Result, reject } from "../../../schema/rejections.ts";
import { pageOf } from "../../../schema/resources.ts";
import type { CreateTransfer, TransferAnswer, TransferSeen, VerifyReport } from "../../../schema/rpc/coordinator.ts";
import { listEntries } from "../../read-model/queries.ts";
import { mayBeNamed, readAccount } from "../account-resource.ts";
import type { Actors } from "../actors.ts";
import { paged } from "../paging.ts";
import { waitMs } from "../prefer.ts";
import { type Answer, answer, type Call, defineRoute } from "../route.ts";

/** How long a verification may take before its caller is told to come back. */
const VERIFY_PATIENCE_MS = 10_000;

export const noSuchAccount = (name: string): Refused => reject("not_found", `no account ${name}`);

/** Legs name logical accounts: which stripe takes part is ours to say. */
const accountExists = async (name: string, actors: Actors): Promise<boolean> => {
  const account = parseAccount(name);
  return account !== null && account.stripe === null && mayBeNamed(account, actors);
};

const requireAccounts = async (names: readonly string[], actors: Actors): Promise<Result<null>> => {
  const unique = [...new Set(names)];
  const known = await Promise.all(unique.map((name) => accountExists(name, actors)));
  const unknown = unique.find((_, index) => known[index] !== true);
  return unknown === undefined ? accept(null) : noSuchAccount(unknown);
};

/** A transfer of its own legs as its shard takes it. */
export const commandOf = ({ id, legs, metadata, effective_at }: TransferOrder): CreateTransfer => ({
  id,
  legs,
  reason: metadata.reason ?? null,
  metadata,
  ...(effective_at === undefined ? {} : { effective_at }),
});

/** First the reversal's id is bound to this command in its own shard, then the reversal runs in its original's. */
const reverse = async (
  { id, reverses }: ReversalOrder,
  { actors, meta, requestId }: Pick<Call<unknown, unknown>, "actors" | "meta" | "requestId">,
  patienceMs: number,
): Promise<TransferAnswer> => {
  const problem = (rejection: Rejection) =>
    ({ kind: "problem", rejection, request_id: requestId, replayed: false }) as const;
  const claimed = await actors.coordinator(routeTransfer(id))((coordinator) =>
    coordinator.claimReversal({ id, reverses }, meta),
  );
  if (!claimed.ok) return problem(claimed.rejection);
  if (shardOf("trf", reverses) !== null) {
    return problem(
      reject("conflict", "the house made this transfer itself: a charge is given back by a refund").rejection,
    );
  }
  return actors.coordinator(shardOfTransfer(reverses))((coordinator) =>
    coordinator.createReversal({ id, reverses }, patienceMs, meta),
  );
};

/** A transfer as it is now; a reversal's is with its original's shard. */
const seeTransfer = async (id: string, actors: Actors): Promise<TransferSeen | null> => {
  if (parseId("trf", id) === null || shardOf("trf", id) !== null) return null;
  const seen = await actors.coordinator(routeTransfer(id))((coordinator) => coordinator.transfer(id, null));
  if (seen?.kind !== "elsewhere") return seen;
  const { reverses } = seen;
  return actors.coordinator(shardOfTransfer(reverses))((coordinator) => coordinator.transfer(id, reverses));
};

const transferAnswer = (result: TransferAnswer): Answer => {
  switch (result.kind) {
    case "resource":
      return answer(201, result.transfer, { replayed: result.replayed });
    case "processing":
      return answer(
        202,
        { id: result.id, status: "processing", saga: result.saga },
        { headers: { location: `/v1/sagas/${result.saga}`, "retry-after": "1" } },
      );
    case "problem":
      return { ok: false, rejection: result.rejection, request_id: result.request_id, replayed: result.replayed };
  }
};

const verificationAnswer = ({ id, done, ok, checked, failures, progress }: VerifyReport): Answer =>
  done
    ? answer(200, { id, ok, checked, failures })
    : answer(202, { id, progress }, { headers: { location: `/v1/ledger/verify/${id}`, "retry-after": "1" } });

const verificationAnswers = {
  200: { description: "Every chain was recomputed.", schema: verificationResource },
  202: { description: "Still at it.", schema: verificationProgress },
};

export const ledgerRoutes = [
  defineRoute({
    operation: "ledger.account",
    method: "GET",
    path: "/v1/ledger/accounts/{id}",
    summary: "An account's counters; of a logical account the sums and its stripes.",
    idempotency: "none",
    responses: { 200: { description: "The account.", schema: accountResource } },
    handler: async ({ params, actors }) => {
      const name = params.id ?? "";
      const account = await readAccount(name, actors);
      return account === null ? noSuchAccount(name) : answer(200, account);
    },
  }),
  defineRoute({
    operation: "ledger.entries",
    method: "GET",
    path: "/v1/ledger/accounts/{id}/entries",
    summary: "What was booked to an account, oldest first.",
    idempotency: "none",
    query: paged(limitQuery),
    responses: { 200: { description: "A page of entries.", schema: pageOf(entryResource) } },
    handler: async ({ params, env, query, actors }) => {
      const name = params.id ?? "";
      const account = parseAccount(name);
      if (account === null) return noSuchAccount(name);
      const accounts = account.stripe === null ? stripesOf(name) : [name];
      const page = await listEntries(env.READ_MODEL, { accounts }, query);
      const isKnown = page.data.length > 0 || query.after !== null || (await readAccount(name, actors)) !== null;
      return isKnown ? answer(200, page) : noSuchAccount(name);
    },
  }),
  defineRoute({
    operation: "ledger.transfer",
    method: "POST",
    path: "/v1/ledger/transfers",
    summary: "Moves money between accounts, or takes a transfer back, at most once under the transfer's own id.",
    idempotency: "none",
    waits: true,
    body: createTransferBody,
    refuses: [404],
    responses: {
      201: { description: "Every leg is posted.", schema: transferResource },
      202: { description: "The transfer is under way.", schema: transferProcessing },
    },
    handler: async (call) => {
      const { body, actors, meta, request } = call;
      const patienceMs = waitMs(request.headers.get("prefer"));
      if (body.kind === "reversal") return transferAnswer(await reverse(body, call, patienceMs));
      const known = await requireAccounts(
        body.legs.map(({ account }) => account),
        actors,
      );
      if (!known.ok) return known;
      const result = await actors.coordinator(routeTransfer(body.id))((coordinator) =>
        coordinator.createTransfer(commandOf(body), patienceMs, meta),
      );
      return transferAnswer(result);
    },
  }),
  defineRoute({
    operation: "ledger.transfer_read",
    method: "GET",
    path: "/v1/ledger/transfers/{id}",
    summary: "A transfer as it is now: what it reverses, and what reversed it.",
    idempotency: "none",
    responses: {
      200: { description: "The transfer.", schema: z.union([transferResource, transferProcessing]) },
    },
    handler: async ({ params, actors }) => {
      const seen = await seeTransfer(params.id ?? "", actors);
      if (seen === null || seen.kind === "elsewhere") return reject("not_found", "no such transfer");
      if (seen.kind === "posted") return answer(200, seen.transfer);
      return answer(200, { id: seen.id, status: "processing", saga: seen.saga });
    },
  }),
  defineRoute({
    operation: "ledger.trial_balance",
    method: "GET",
    path: "/v1/ledger/trial-balance",
    summary: "Debits and credits of every account at one consistent cut; `wait=fresh` takes a new one.",
    idempotency: "none",
    query: trialBalanceQuery,
    responses: { 200: { description: "The cut.", schema: trialBalanceResource } },
    handler: async ({ actors, query }) =>
      answer(200, await actors.coordinator(0)((coordinator) => coordinator.trialBalance(query.wait === "fresh"))),
  }),
  defineRoute({
    operation: "ledger.verify",
    method: "POST",
    path: "/v1/ledger/verify",
    summary: "Recomputes the hash chain of every actor.",
    idempotency: "none",
    body: emptyBody,
    responses: verificationAnswers,
    handler: async ({ actors }) =>
      verificationAnswer(await actors.coordinator(0)((coordinator) => coordinator.startVerify(VERIFY_PATIENCE_MS))),
  }),
  defineRoute({
    operation: "ledger.verification",
    method: "GET",
    path: "/v1/ledger/verify/{id}",
    summary: "How a verification stands.",
    idempotency: "none",
    responses: verificationAnswers,
    handler: async ({ params, actors }) => {
      const id = params.id ?? "";
      const report =
        parseId("vrf", id) === null ? null : await actors.coordinator(0)((coordinator) => coordinator.verifyReport(id));
      return report === null ? reject("not_found", "no such verification") : verificationAnswer(report);
    },
  }),
];
