import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseMinor } from "../../schema/money.ts";
import type { CutAnswer } from "../../schema/rpc/account.ts";
import { Bench, credit, debit, opOn, said } from "./bench.fixture.ts";
import { MAX_LISTED } from "./cut.ts";

type Leg = { account: string; direction: "debit" | "credit"; minor: bigint };
type Transfer = { tag: number; legs: Leg[]; first: string | null; acked: Set<string> };
type Shard = { epoch: number; open: Map<string, Transfer> };
type Message = { shard: Shard; id: string; account: string };
type Listed = { id: string; legs: Leg[] };

const NAMES = ["psp:sandbox:EUR#0", "psp:sandbox:EUR#1", "fee:EUR#2", "wallet:ana:EUR", "wallet:bo:EUR"].flatMap(
  (name) => [name, name.replace("EUR", "JPY")],
);
const minorOf = (figure: string, account: string) => parseMinor(figure, currencyOf(account)) ?? 0n;
const currencyOf = (account: string) => account.split("#")[0]?.slice(-3) ?? "";

/** A small, fast, seeded generator: what happens next in the simulated ledger. */
const dice = (seed: number) => {
  let state = seed | 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n: number) => Math.floor(next() * n);
  const pick = <T>(from: readonly T[]): T => from[below(from.length)] as T;
  const take = <T>(from: T[]): T => from.splice(below(from.length), 1)[0] as T;
  return { below, pick, take };
};

/**
 * Shards that begin transfers and post them by messages that are late, doubled and lost, over real accounts, while cuts are
 * taken one after another (some given up half way). Answers what each finished cut is out of balance by: nothing, or it is wrong.
 */
const simulate = (seed: number, order: "shards first" | "accounts first") => {
  const { below, pick, take } = dice(seed);
  const accounts = new Map(NAMES.map((name) => [name, new Bench(name)]));
  const shards: Shard[] = Array.from({ length: 3 }, () => ({ epoch: 0, open: new Map() }));
  const messages: Message[] = [];
  const acks: Message[] = [];
  const results = { differences: [] as bigint[], inTransit: 0, late: 0, refused: 0 };
  let made = 0;

  const begin = () => {
    const shard = pick(shards);
    const currency = pick(["EUR", "JPY"]);
    const names = NAMES.filter((name) => currencyOf(name) === currency);
    const from = take(names);
    const to = take(names);
    const also = pick(names);
    const [some, rest] = [BigInt(1 + below(40)), BigInt(1 + below(9))];
    const legs: Leg[] = [
      { account: from, direction: "debit", minor: some + rest },
      { account: to, direction: "credit", minor: some },
      { account: also, direction: "credit", minor: rest },
    ];
    const first = from.startsWith("wallet") ? from : null;
    const id = `trf_${made++}`;
    shard.open.set(id, { tag: shard.epoch, legs, first, acked: new Set() });
    for (const account of first === null ? [from, to, also] : [first]) messages.push({ shard, id, account });
  };

  const deliver = () => {
    const message = below(5) === 0 ? pick(messages) : take(messages);
    const transfer = message.shard.open.get(message.id);
    if (transfer === undefined) return;
    const legs = transfer.legs.filter(({ account }) => account === message.account);
    const answer = accounts
      .get(message.account)
      ?.apply(opOn(message.account, "post", message.id, legs, { tag: transfer.tag }));
    if (answer === undefined) throw new Error("no such account");
    if (below(6) === 0) messages.push(message);
    else if (said(answer) === "posted") acks.push(message);
    else {
      results.refused++;
      message.shard.open.delete(message.id);
    }
  };

  const acknowledge = () => {
    const { shard, id, account } = take(acks);
    const transfer = shard.open.get(id);
    if (transfer === undefined || transfer.acked.has(account)) return;
    transfer.acked.add(account);
    const others = transfer.legs.map((leg) => leg.account).filter((name) => name !== account);
    if (transfer.first === account) for (const other of others) messages.push({ shard, id, account: other });
    if (transfer.acked.size === transfer.legs.length) shard.open.delete(id);
  };

  let cut = freshCut(0);
  function freshCut(epoch: number) {
    return { epoch, shards: [...shards], accounts: [...NAMES], listed: [] as Listed[], answers: [] as CutAnswer[] };
  }
  const askShard = () => {
    const shard = take(cut.shards);
    shard.epoch = cut.epoch + 1;
    for (const [id, { tag, legs }] of shard.open) if (tag <= cut.epoch) cut.listed.push({ id, legs });
  };
  const askAccount = () => {
    const name = take(cut.accounts);
    const bench = accounts.get(name);
    if (bench === undefined) throw new Error("no such account");
    if (bench.state.late.epoch > cut.epoch) results.late++;
    // Before the shards have answered nobody knows what to ask about; the wrong order asks about everything there is.
    const ids =
      order === "shards first" ? cut.listed.map(({ id }) => id) : Array.from({ length: made }, (_, at) => `trf_${at}`);
    cut.answers.push(bench.cut(cut.epoch, ids));
  };
  const stepOfCut = () => {
    if (below(60) === 0) cut = freshCut(cut.epoch + 1);
    const [now, later] = order === "shards first" ? [cut.shards, cut.accounts] : [cut.accounts, cut.shards];
    if (now.length > 0) (now === cut.shards ? askShard : askAccount)();
    else if (later.length > 0) (later === cut.shards ? askShard : askAccount)();
    else {
      const { difference, inTransit } = differences(cut.answers, cut.listed);
      results.differences.push(...difference);
      results.inTransit += inTransit;
      cut = freshCut(cut.epoch + 1);
    }
  };

  for (let tick = 0; tick < 600; tick++) {
    const roll = below(10);
    if (roll < 2) begin();
    else if (roll < 6 && messages.length > 0) deliver();
    else if (roll < 8 && acks.length > 0) acknowledge();
    else stepOfCut();
  }
  return results;
};

/** Debits less credits of a cut's answers, per currency, with the legs in transit of transfers that are applied somewhere. */
const differences = (answers: readonly CutAnswer[], listed: readonly Listed[]) => {
  const sums: Record<string, bigint> = { EUR: 0n, JPY: 0n };
  const add = (account: string, minor: bigint) => {
    sums[currencyOf(account)] = (sums[currencyOf(account)] ?? 0n) + minor;
  };
  const applied = new Map(answers.map(({ account, applied }) => [account, new Set(applied)]));
  for (const { account, debits, credits } of answers)
    add(account, minorOf(debits, account) - minorOf(credits, account));
  let inTransit = 0;
  for (const { id, legs } of listed) {
    const missing = legs.filter(({ account }) => !applied.get(account)?.has(id));
    if (missing.length === legs.length) continue;
    for (const { account, direction, minor } of missing) add(account, direction === "debit" ? minor : -minor);
    inTransit += missing.length;
  }
  return { difference: Object.values(sums), inTransit };
};

describe("a consistent cut", () => {
  test("balances to the cent in every currency while money is on its way", () => {
    const total = { cuts: 0, inTransit: 0, late: 0, refused: 0 };
    const property = fc.property(fc.integer(), (seed) => {
      const { differences, inTransit, late, refused } = simulate(seed, "shards first");
      expect(differences.every((difference) => difference === 0n)).toBe(true);
      total.cuts += differences.length / 2;
      total.inTransit += inTransit;
      total.late += late;
      total.refused += refused;
    });
    fc.assert(property, { numRuns: 400 });
    console.log("cuts", total);
    expect(Math.min(total.cuts, total.inTransit, total.late, total.refused)).toBeGreaterThan(400);
  });

  test("does not when accounts are asked before the shards: the simulation can tell", () => {
    const wrong = Array.from({ length: 20 }, (_, seed) => simulate(seed, "accounts first")).filter(({ differences }) =>
      differences.some((difference) => difference !== 0n),
    );
    expect(wrong.length).toBeGreaterThan(10);
  });
});

describe("one account's word in a cut", () => {
  const FEE = "fee:EUR#0";
  const postings = (...tags: number[]) => {
    const bench = new Bench(FEE);
    for (const [at, tag] of tags.entries())
      bench.apply(opOn(FEE, "post", `trf_${at}`, credit(10n ** BigInt(at)), { tag }));
    return bench;
  };

  test.each([
    [[0, 0], 0, "0.11"],
    [[0, 1], 0, "0.01"],
    [[1, 0, 1, 0], 0, "10.10"],
    [[1, 0, 1, 0], 1, "11.11"],
    [[0, 1, 2], 1, "0.11"],
    [[0, 2, 1, 2, 0], 1, "101.01"],
    [[3], 2, "0.00"],
  ])("postings tagged %j at epoch %i: %s", (tags, epoch, credits) => {
    expect(postings(...tags).cut(epoch, [])).toMatchObject({ account: FEE, debits: "0.00", credits });
  });

  test("throws rather than guess when a later cut has begun", () => {
    expect(() => postings(0, 1, 2).cut(0, [])).toThrow("superseded");
  });

  test("tells which listed transfers are posted here, a held one not", () => {
    const bench = postings(0, 0);
    bench.apply(opOn(FEE, "reserve", "trf_held", debit(1n)));
    const { applied, seq } = bench.cut(0, ["trf_1", "trf_held", "trf_unknown"]);
    expect([applied, seq]).toEqual([["trf_1"], 4]);
  });

  test("is zero for an account that was never opened", () => {
    expect(new Bench(FEE).cut(7, ["trf_1"])).toMatchObject({ debits: "0.00", credits: "0.00", seq: 0, applied: [] });
  });

  test("answers for fifty thousand listed transfers and not one more", () => {
    const listed = Array.from({ length: MAX_LISTED }, (_, at) => `trf_${at}`);
    expect(postings(0).cut(0, listed).applied).toEqual(["trf_0"]);
    expect(() => postings(0).cut(0, [...listed, "trf_over"])).toThrow(RangeError);
    expect(() => postings(0).cut(-1, [])).toThrow(RangeError);
  });
});
