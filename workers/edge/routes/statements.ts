import { accountNames, parseAccount, stripesOf } from "../../../schema/accounts.ts";
import { balanceQuery, podStatementQuery, statementQuery } from "../../../schema/ledger-commands.ts";
import { pastBalanceResource, statementResource } from "../../../schema/ledger-resources.ts";
import { figureOf, formatMinor, fromMinor } from "../../../schema/money.ts";
import { accept, type Result, reject } from "../../../schema/rejections.ts";
import { eventRow } from "../../../schema/resources.ts";
import type { BalanceRecord } from "../../../schema/rpc/account.ts";
import { readAccount } from "../account-resource.ts";
import type { Actors } from "../actors.ts";
import { invalid } from "../body.ts";
import { answer, defineRoute } from "../route.ts";
import { noSuchAccount } from "./ledger.ts";
import { admitToPod } from "./pod-policy.ts";

/** Events on one page of an export. */
const PAGE = 500;

/** The physical accounts behind a name. Refused when there is no such account. */
const physicalOf = async (name: string, actors: Actors): Promise<Result<{ ids: string[]; striped: boolean }>> => {
  const account = parseAccount(name);
  if (account === null || (await readAccount(name, actors)) === null) return noSuchAccount(name);
  const striped = account.stripe === null && account.rules.stripes > 1;
  return accept({ ids: striped ? stripesOf(name) : [name], striped });
};

/** The one account with a log of its own that a name stands for: of a striped one every stripe has a chain. */
const singleOf = async (name: string, actors: Actors): Promise<Result<string>> => {
  const found = await physicalOf(name, actors);
  if (!found.ok) return found;
  const [id = name] = found.value.ids;
  if (!found.value.striped) return accept(id);
  const stripes = found.value.ids.join(", ");
  return invalid([{ pointer: "/path/id", detail: `is kept in stripes, each with a log of its own: ${stripes}` }]);
};

/** A logical account at a moment: sums, and each stripe with the event it was read at. */
const stripedBalance = (account: string, records: readonly BalanceRecord[]) => {
  const [first] = records;
  if (first === undefined) throw new Error(`an account without a stripe: ${account}`);
  const { currency } = first.balance;
  const total = (figure: (record: BalanceRecord) => string): bigint =>
    records.reduce((sum, record) => sum + figureOf(figure(record), currency), 0n);
  return {
    account,
    as_of: first.as_of,
    at: first.at,
    balance: fromMinor(
      total(({ balance }) => balance.amount),
      currency,
    ),
    debits_posted: formatMinor(
      total(({ debits_posted }) => debits_posted),
      currency,
    ),
    credits_posted: formatMinor(
      total(({ credits_posted }) => credits_posted),
      currency,
    ),
    seq: null,
    recorded_at: null,
    hash: null,
    stripes: records.map(({ account: id, as_of: _, at: __, ...stripe }) => ({ id, ...stripe })),
  };
};

/** An account's log up to the seq it had when it was asked for, one row a line, read as fast as it is taken. */
const exportOf = (id: string, upto: number, actors: Actors): ReadableStream<Uint8Array> => {
  const utf8 = new TextEncoder();
  let after = 0;
  return new ReadableStream({
    async pull(controller) {
      if (after >= upto) return controller.close();
      const rows = await actors.account(id)((ledger) => ledger.eventsSince(after, Math.min(PAGE, upto - after)));
      if (rows.length === 0) throw new Error(`the log of ${id} cannot be read after seq ${after}`);
      after = rows.at(-1)?.seq ?? upto;
      controller.enqueue(utf8.encode(rows.map((row) => `${JSON.stringify(row)}\n`).join("")));
    },
  });
};

export const statementRoutes = [
  defineRoute({
    operation: "ledger.balance",
    method: "GET",
    path: "/v1/ledger/accounts/{id}/balance",
    summary: "A past balance: after an event (`seq`), or of everything that claims a moment up to `at`.",
    idempotency: "none",
    query: balanceQuery,
    responses: { 200: { description: "The balance.", schema: pastBalanceResource } },
    handler: async ({ params, actors, query: { seq, at } }) => {
      const name = params.id ?? "";
      const found = await physicalOf(name, actors);
      if (!found.ok) return found;
      const { ids, striped } = found.value;
      if (striped && seq !== undefined) {
        return invalid([
          { pointer: "/query/seq", detail: "counts the events of one stripe; ask for a stripe, or by at" },
        ]);
      }
      const point = seq === undefined ? { at: at ?? "" } : { seq };
      const records: BalanceRecord[] = [];
      for (const result of await Promise.all(
        ids.map((id) => actors.account(id)((ledger) => ledger.balanceAt(point))),
      )) {
        if (!result.ok) return result;
        records.push(result.value);
      }
      return answer(200, striped ? stripedBalance(name, records) : records[0]);
    },
  }),
  defineRoute({
    operation: "ledger.statement",
    method: "GET",
    path: "/v1/ledger/accounts/{id}/statement",
    summary: "A statement that proves itself, by moments (half-open) or by seqs (both included); at most 5,000 events.",
    idempotency: "none",
    query: statementQuery,
    responses: {
      200: { description: "The statement, the same for the same seqs for ever.", schema: statementResource },
    },
    handler: async ({ params, actors, query }) => {
      const id = await singleOf(params.id ?? "", actors);
      if (!id.ok) return id;
      const statement = await actors.account(id.value)((ledger) => ledger.statement(query));
      return statement.ok ? answer(200, statement.value) : statement;
    },
  }),
  defineRoute({
    operation: "ledger.export",
    method: "GET",
    path: "/v1/ledger/accounts/{id}/export",
    summary: "An account's whole log as JSON lines; the headers name the seq and hash it ends with.",
    idempotency: "none",
    responses: {
      200: { description: "One row a line.", schema: eventRow, contentType: "application/jsonl" },
    },
    handler: async ({ params, actors }) => {
      const id = await singleOf(params.id ?? "", actors);
      if (!id.ok) return id;
      const { seq, hash } = await actors.account(id.value)((ledger) => ledger.head());
      return answer(200, exportOf(id.value, seq, actors), {
        headers: {
          "content-type": "application/jsonl",
          "x-log-seq": String(seq),
          "x-log-head": hash,
        },
      });
    },
  }),
  defineRoute({
    operation: "pod.statement",
    method: "GET",
    path: "/v1/pods/{id}/statement",
    summary: "The statement of a pod's account in one currency, for whoever may read the pod.",
    idempotency: "none",
    query: podStatementQuery,
    admit: admitToPod("pod.statement"),
    refuses: [422],
    responses: { 200: { description: "The statement.", schema: statementResource } },
    handler: async ({ seen, actors, query: { currency = seen.pod.home_currency, range } }) => {
      if (!seen.pod.currencies.includes(currency)) {
        return reject("currency_mismatch", `the pod does not keep ${currency}`);
      }
      const statement = await actors.account(accountNames.pod(seen.pod.id, currency))((ledger) =>
        ledger.statement(range),
      );
      return statement.ok ? answer(200, statement.value) : statement;
    },
  }),
];
