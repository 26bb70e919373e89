import { parseAccount } from "../../schema/accounts.ts";
import { SHARDS } from "../../schema/ids.ts";
import { figureOf, formatMinor, toMinor } from "../../schema/money.ts";
import { reject } from "../../schema/rejections.ts";
import type { AccountRpc, CutAnswer } from "../../schema/rpc/account.ts";
import type { CoordinatorRpc, ShardCut, TrialBalance } from "../../schema/rpc/coordinator.ts";
import { shardName, streamOf } from "../../schema/streams.ts";
import type { ObjectEnv } from "../kit/env.ts";
import type { Pace } from "../kit/pace.ts";
import { jsonChunks } from "../kit/parameters.ts";
import { ClosedDoor, callActor, refusalIn } from "../kit/stub.ts";
import { postingsOf, transferOf } from "./calls/accounts.ts";
import { openTransfers, type ShardTurn } from "./journal.ts";

type CutTransfer = ShardCut["transfers"][number];
/** Transfers, and accounts, on one page. */
const PAGE = 500;
/** Accounts asked at once. */
const WIDTH = 16;

/**
 * A shard's turn in a cut: moves its epoch past `epoch`, so that every leg let out from now on carries a later tag, and stores
 * what was let out before and not acknowledged everywhere.
 */
export const moveEpoch = (turn: ShardTurn, epoch: number, meta: Parameters<ShardTurn["append"]>[2]): void => {
  if (turn.state.cutEpoch > epoch) return;
  turn.append("cut.moved", { epoch: String(epoch + 1) }, meta);
  const open = openTransfers(turn, epoch).map((saga) => ({
    id: transferOf(saga).id,
    legs: postingsOf(saga, epoch).map(({ leg, transfer }) => ({ ...leg, transfer })),
  }));
  turn.sql.exec("DELETE FROM cut_transfers WHERE epoch < ?", epoch);
  for (const chunk of jsonChunks(open)) {
    turn.sql.exec(
      `INSERT OR REPLACE INTO cut_transfers (epoch, transfer, legs)
       SELECT ?, value->>'id', value->'legs' FROM json_each(?)`,
      epoch,
      chunk,
    );
  }
};

/** One page of what a shard stored for a cut: transfers first, then the accounts it ever named. */
export const cutPage = (sql: SqlStorage, epoch: number, after: string | null): ShardCut => {
  const [kind, key] = after === null ? ["t", ""] : [after.slice(0, 1), after.slice(1)];
  if (kind === "t") {
    const rows = sql
      .exec<{ transfer: string; legs: string }>(
        "SELECT transfer, legs FROM cut_transfers WHERE epoch = ? AND transfer > ? ORDER BY transfer LIMIT ?",
        epoch,
        key,
        PAGE,
      )
      .toArray();
    const transfers = rows.map((row) => ({ id: row.transfer, legs: JSON.parse(row.legs) as CutTransfer["legs"] }));
    return { transfers, accounts: [], next: rows.length === PAGE ? `t${rows.at(-1)?.transfer}` : "a" };
  }
  const streams = sql
    .exec<{ stream: string }>(
      "SELECT stream FROM directory WHERE stream > ? AND stream LIKE 'account/%' ORDER BY stream LIMIT ?",
      key,
      PAGE,
    )
    .toArray();
  return {
    transfers: [],
    accounts: streams.map(({ stream }) => stream.slice("account/".length)),
    next: streams.length === PAGE ? `a${streams.at(-1)?.stream}` : null,
  };
};

type Sums = { debits: bigint; credits: bigint; transit: bigint };

/**
 * The trial balance of one cut. Exact while traffic runs: accounts are asked only after every shard has moved on, so whatever an
 * account has applied with a tag up to the cut's epoch is whole, or listed by its shard, whose missing legs are in transit.
 */
export const balanceOf = (
  transfers: readonly CutTransfer[],
  answers: readonly CutAnswer[],
): TrialBalance["currencies"] => {
  const sums = new Map<string, Sums>();
  const of = (currency: string): Sums => {
    const found = sums.get(currency) ?? { debits: 0n, credits: 0n, transit: 0n };
    sums.set(currency, found);
    return found;
  };
  const applied = new Map(answers.map((answer) => [answer.account, new Set(answer.applied)]));
  for (const answer of answers) {
    const currency = parseAccount(answer.account)?.currency ?? "";
    const sum = of(currency);
    sum.debits += figureOf(answer.debits, currency);
    sum.credits += figureOf(answer.credits, currency);
  }
  for (const { legs } of transfers) {
    const isApplied = (leg: CutTransfer["legs"][number]): boolean =>
      applied.get(leg.account)?.has(leg.transfer) === true;
    if (!legs.some(isApplied)) continue;
    for (const leg of legs) {
      if (isApplied(leg)) continue;
      const minor = toMinor(leg.amount);
      of(leg.amount.currency).transit += leg.direction === "debit" ? minor : -minor;
    }
  }
  return [...sums.entries()]
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([currency, { debits, credits, transit }]) => ({
      currency,
      debits: formatMinor(debits, currency),
      credits: formatMinor(credits, currency),
      in_transit: formatMinor(transit, currency),
      difference: formatMinor(debits - credits + transit, currency),
    }));
};

type Self = { shard: number; cutShard: CoordinatorRpc["cutShard"] };

/** Every shard in turn, then every account, at a pace that the machine can bear: never the other way round. */
export const takeCut = async (
  env: ObjectEnv,
  self: Self,
  epoch: number,
  takenAt: string,
  pace: Pace,
): Promise<TrialBalance> => {
  const transfers: CutTransfer[] = [];
  const accounts = new Set<string>();
  for (let shard = 0; shard < SHARDS; shard++) {
    let after: string | null = null;
    do {
      const from: string | null = after;
      const page: ShardCut =
        shard === self.shard
          ? await self.cutShard(epoch, from)
          : await naming(streamOf.saga(shard), () =>
              callActor<CoordinatorRpc, ShardCut>(env.COORDINATORS, shardName(shard), (actor) =>
                actor.cutShard(epoch, from),
              ),
            );
      transfers.push(...page.transfers);
      for (const account of page.accounts) accounts.add(account);
      after = page.next;
    } while (after !== null);
  }
  const answers = await askAccounts(env, [...accounts].sort(), transfers, epoch, pace);
  const currencies = balanceOf(transfers, answers);
  return {
    balanced: currencies.every(({ difference }) => /^0(\.0+)?$/.test(difference)),
    currencies,
    cut: {
      epoch,
      taken_at: takenAt,
      shards: SHARDS,
      accounts: Object.fromEntries(answers.map(({ account, seq, hash }) => [account, { seq, hash }])),
    },
  };
};

/** A cut is of everybody or of nobody: who did not answer, for whatever reason, is what its caller wants to know. */
const naming = async <T>(stream: string, ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    if (refusalIn(error) !== null) throw error;
    console.error(`cut: ${stream} did not answer: ${error instanceof Error ? error.message : "failed"}`);
    throw new ClosedDoor(reject("upstream_unavailable", `${stream} did not answer`).rejection);
  }
};

const askAccounts = async (
  env: ObjectEnv,
  accounts: readonly string[],
  transfers: readonly CutTransfer[],
  epoch: number,
  pace: Pace,
): Promise<CutAnswer[]> => {
  const listed = new Map<string, Set<string>>();
  for (const { account, transfer } of transfers.flatMap(({ legs }) => legs)) {
    listed.set(account, (listed.get(account) ?? new Set()).add(transfer));
  }
  const answers: CutAnswer[] = [];
  for (let from = 0; from < accounts.length; from += WIDTH) {
    const group = accounts.slice(from, from + WIDTH);
    await pace.letIn(group.map(streamOf.account));
    const asked = group.map((account) =>
      naming(streamOf.account(account), () =>
        callActor<AccountRpc, CutAnswer>(env.ACCOUNTS, account, (actor) =>
          actor.cut(epoch, [...(listed.get(account) ?? [])]),
        ),
      ),
    );
    answers.push(...(await Promise.all(asked)));
  }
  return answers;
};
