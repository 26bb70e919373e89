import { pageOf, walletResource } from "../../../schema/resources.ts";
import { accountsOf } from "../../read-model/queries.ts";
import { pageOfAll, pageQuery } from "../paging.ts";
import { balanceRow } from "../pod-resource.ts";
import { answer, defineRoute } from "../route.ts";

export const walletRoutes = [
  defineRoute({
    operation: "wallet.list",
    method: "GET",
    path: "/v1/wallets",
    summary: "The caller's own wallets: one a currency that money has met.",
    idempotency: "none",
    query: pageQuery,
    responses: { 200: { description: "A page of them, by their names.", schema: pageOf(walletResource) } },
    handler: async ({ env, caller, actors, query }) => {
      const { data: met } = await accountsOf(env.READ_MODEL, "wallet", caller.user);
      const { data, next } = pageOfAll(met, query, ({ account }) => account);
      // Which wallets there are comes from the read model; what is in them, from the accounts.
      const wallets = await Promise.all(
        data.map(async ({ account, currency }) => ({
          id: account,
          ...balanceRow(currency, await actors.account(account)((ledger) => ledger.describe())),
        })),
      );
      return answer(200, { data: wallets, next });
    },
  }),
];
