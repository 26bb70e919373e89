import { randomFillSync } from "node:crypto";
import { createIdSource } from "../../schema/ids.ts";
import { type Answer, type Api, api } from "./client.ts";
import { type Server, token } from "./server.ts";

/** What most stories over HTTP begin with: a pod and its people, a charge, a wallet with money in it. */

export type Money = { amount: string; currency: string };

export type Charge = {
  id: string;
  pod: string;
  payer: string;
  status: string;
  amount: Money;
  settled?: Money;
  fees: { name: string; amount: Money }[];
  fx?: { quote: string; rate: string; provider: string };
  failure?: { code: string; decline_reason?: string };
  saga: string;
  created_at: string;
};

export type Role = "owner" | "admin" | "treasurer" | "member" | "viewer";

export type OpenPod = {
  id: string;
  /** Calls as the owner. */
  owner: Api;
  /** Calls as one of the members, the owner included. Throws for anybody else. */
  as(user: string): Api;
};

const ids = createIdSource(randomFillSync);

/** A new ULID; each one sorts after those before it. */
export const ulid = (): string => ids.next("trf", Date.now()).slice("trf_".length);

export const eur = (amount: string): Money => ({ amount, currency: "EUR" });

/** Calls as a person. Still good after a restart on the same state. */
export const person = async (server: Server, user: string): Promise<Api> =>
  api(server.url, await token(server.stateDir, user));

/** Calls as the operator. Still good after a restart on the same state. */
export const operator = async (server: Server, user = "operator"): Promise<Api> =>
  api(server.url, await token(server.stateDir, user, { scope: "admin" }));

/** Throws unless the answer has one of the statuses, showing what came instead. */
export const must = <T>(answer: Answer<T>, ...statuses: number[]): T => {
  if (statuses.includes(answer.status)) return answer.body;
  throw new Error(`not ${statuses.join(" or ")} but ${answer.status}: ${JSON.stringify(answer.body)}`);
};

/** A pod with an owner, and whoever else is a member of it, with a role or as `member`. */
export const openPod = async (
  server: Server,
  options: { owner?: string; members?: readonly string[] | Readonly<Record<string, Role>>; currencies?: string[] } = {},
): Promise<OpenPod> => {
  const { owner = "alice", members = [], currencies = ["EUR"] } = options;
  const roles: Record<string, Role> = Array.isArray(members)
    ? Object.fromEntries(members.map((user: string) => [user, "member"]))
    : { ...(members as Readonly<Record<string, Role>>) };
  const people = new Map([[owner, await person(server, owner)]]);
  const own = people.get(owner) as Api;
  const { id } = must(await own.post<{ id: string }>("/v1/pods", { name: "Our pool", type: "pool", currencies }), 201);
  for (const [user, role] of Object.entries(roles)) {
    const invited = await own.post<{ token: string }>(`/v1/pods/${id}/invitations`, { role });
    const joining = await person(server, user);
    must(await joining.post(`/v1/invitations/${must(invited, 201).token}/accept`, {}), 200);
    people.set(user, joining);
  }
  return {
    id,
    owner: own,
    as(user) {
      const found = people.get(user);
      if (found === undefined) throw new Error(`${user} is not in the story`);
      return found;
    },
  };
};

export type ChargeOrder = {
  /** EUR, as on the wire, unless `currency` says otherwise. */
  amount: string;
  currency?: string;
  /** A token of the provider's; `"wallet"`: from the caller's own wallet. */
  from: string;
  key: string;
  /** The currency it is to settle in, where that is another. */
  settle?: string;
  quote?: string;
  /** Seconds the answer is waited for, 0–30; the server's own patience when absent. */
  wait?: number;
};

/** Asks for a charge as the caller and answers whatever comes. */
export const charge = (caller: Api, pod: Pick<OpenPod, "id">, order: ChargeOrder): Promise<Answer<Charge>> => {
  const { amount, currency = "EUR", from, key, settle, quote, wait } = order;
  const source = from === "wallet" ? { type: "wallet" } : { type: "instrument", token: from };
  return caller.post<Charge>(
    `/v1/pods/${pod.id}/charges`,
    {
      amount: { amount, currency },
      source,
      ...(settle === undefined ? {} : { settle_currency: settle }),
      ...(quote === undefined ? {} : { quote }),
    },
    { key, ...(wait === undefined ? {} : { headers: { prefer: `wait=${wait}` } }) },
  );
};

export type Competing = { provider: string; status: string; rate?: string };

export type Quote = {
  id: string;
  sell: Money;
  buy: Money;
  rate: string;
  fee: Money;
  provider: string;
  competing: Competing[];
  expires_at: string;
};

/** Asks for a firm quote as the caller, of so much in one currency for another, and answers whatever comes. */
export const quote = (caller: Api, sell: Money, buy: string, pod?: Pick<OpenPod, "id">): Promise<Answer<Quote>> =>
  caller.post<Quote>("/v1/fx/quotes", {
    sell: { currency: sell.currency, amount: sell.amount },
    buy: { currency: buy },
    ...(pod === undefined ? {} : { pod: pod.id }),
  });

/** Puts money into a user's wallet, from the bank. */
export const fundWallet = async (operator: Api, user: string, amount: string, currency = "EUR"): Promise<void> => {
  const money = { amount, currency };
  const order = {
    id: `trf_${ulid()}`,
    legs: [
      { account: `bank:sandbox:${currency}`, direction: "debit", amount: money },
      { account: `wallet:${user}:${currency}`, direction: "credit", amount: money },
    ],
  };
  must(await operator.post("/v1/ledger/transfers", order, { headers: { prefer: "wait=30" } }), 201);
};
