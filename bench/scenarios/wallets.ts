import { inBatches } from "../../tests/support/checker.ts";
import { api, poll } from "../../tests/support/client.ts";
import { accountPath, type BatchResult, deposit, newTransfer, type Order } from "../../tests/support/ledger.ts";
import { must } from "../../tests/support/story.ts";
import { minor, type Verdict, verdict } from "../../tests/support/verdict.ts";
import type { Operation } from "../load/loops.ts";
import { isAccepted, PATIENCE_S, type Reply, refusal } from "../load/wire.ts";
import { balances } from "../target.ts";
import type { Target } from "./scenario.ts";
import { Unanswered } from "./unanswered.ts";

/** The wallets that transfers are measured among: how they are filled, what one transfer is, and what must hold of all of them. */

/** A cent a transfer is not spent in any run. */
const OPENING = "1000000.00";
const CENT = { amount: "0.01", currency: "EUR" };
const FUNDED_AT_ONCE = 100;
const POSTED_MS = 120_000;

/** Wallets by number: who pays, and who is paid. */
export type Pair = [from: number, to: number];

/** The account of the nth wallet. */
export const nameOf = (index: number): string => `wallet:bench${index}:EUR`;

/** A cent from one to the other. */
export const orderOf = ([from, to]: Pair): Order => ({
  id: newTransfer(),
  legs: [
    { account: nameOf(from), direction: "debit", amount: CENT },
    { account: nameOf(to), direction: "credit", amount: CENT },
  ],
  metadata: { reason: "bench" },
});

/** Sends a batch until it is posted whole: each of its transfers is one, however often it is sent. Rejects with what is still open after that long. */
export const postBatch = async (target: Target, transfers: readonly Order[]): Promise<void> => {
  const operator = api(target.url, target.operator);
  const headers = { prefer: `wait=${PATIENCE_S}` };
  await poll(
    async () => {
      const answer = await operator.post<{ results: BatchResult[] }>("/v1/ledger/batches", { transfers }, { headers });
      return must(answer, 200).results.find(({ status }) => status !== 201) ?? null;
    },
    (open) => open === null,
    POSTED_MS,
  );
};

/** So many at a time: each makes an account, which takes far longer than a transfer. */
export const fund = async (target: Target, accounts: number): Promise<void> => {
  const orders = Array.from({ length: accounts }, (_, index) => deposit(`bench${index}`, OPENING));
  for (let from = 0; from < accounts; from += FUNDED_AT_ONCE) {
    await postBatch(target, orders.slice(from, from + FUNDED_AT_ONCE));
  }
};

type Account = { debits_posted: string; credits_posted: string; holds: unknown[] };

/** Each transfer took a cent from some wallet once and gave it to another; nothing is held or on its way, and the books balance. */
export const checkTransfers = async (target: Target, size: number, posted: number): Promise<Verdict[]> => {
  const operator = api(target.url, target.operator);
  const accounts = await inBatches(
    Array.from({ length: size }, (_, index) => nameOf(index)),
    async (name) => must(await operator.get<Account>(accountPath(name)), 200),
  );
  const sum = (side: "debits_posted" | "credits_posted") =>
    Number(accounts.reduce((total, account) => total + minor(account[side]), 0n));
  const given = size * Number(minor(OPENING));
  const [out, into] = [sum("debits_posted"), sum("credits_posted") - given];
  const faults = out === into ? [] : [`${out} cents went out and ${into} came in`];
  if (out !== posted) faults.push(`${out} cents moved`);
  const held = accounts.filter(({ holds }) => holds.length > 0).length;
  if (held > 0) faults.push(`${held} wallets hold something`);
  return [verdict("moved", faults, `${posted} transfers of a cent`), await balances(target.url, target.operator)];
};

/** One transfer a request, and how many were posted: all that were, once `settle` has asked after those nobody answered for. */
export type Posting = { operation: Operation; readonly posted: number; settle(): Promise<void> };

export const posting = (target: Target, draw: (index: number) => Pair): Posting => {
  const unanswered = new Unanswered();
  let posted = 0;
  const count = (reply: Reply): void => {
    if (reply.status === 201) posted++;
  };
  return {
    operation: {
      request: (index) => {
        const body = orderOf(draw(index));
        const path = "/v1/ledger/transfers";
        return unanswered.sent(index, { method: "POST", path, token: target.operator, wait: PATIENCE_S, body });
      },
      fault: (reply, index) => {
        if (reply.status !== 201) return refusal(reply);
        unanswered.answered(index);
        count(reply);
        return null;
      },
      pending: isAccepted,
    },
    get posted() {
      return posted;
    },
    settle: () => unanswered.settle(target.url, isAccepted, count),
  };
};
